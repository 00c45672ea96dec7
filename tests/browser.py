"""A real browser, spoken to over its debugging pipe."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from support import DEADLINE_S, need


@dataclass
class Page:
    """A page in a real browser, spoken to over its debugging pipe (messages of JSON, each ended by NUL)."""

    to_browser: BinaryIO
    from_browser: BinaryIO
    session: str | None = None
    calls: int = 0
    complaints: list[str] = field(default_factory=list)
    """What the browser logged: refused by the security policy, not found, an error in a script."""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        self.to_browser.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self.calls:
            if answer["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}:
                self.complaints.append(json.dumps(answer["params"]))
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def open(self, url: str) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for method in ("Log.enable", "Runtime.enable"):
            self.call(method)
        self.call("Page.navigate", url=url)

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self.from_browser.read(1)) != b"\0":
            assert byte, "the browser is gone"
            message += byte
        return json.loads(message)

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Press a key, as a person does."""
        for kind in ("keyDown", "keyUp"):
            said = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **said)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window, as a person does."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Page]:
    """Start chromium with a profile in a folder. Skip the test where it is not installed."""
    chromium = need("chromium")
    (commands, to_browser), (from_browser, answers) = os.pipe(), os.pipe()
    always = "--headless --no-sandbox --disable-gpu --disable-background-networking --remote-debugging-pipe"
    shell = f'profile="$1"; shift; exec "$0" {always} --user-data-dir="$profile" "$@" 3<&{commands} 4>&{answers}'
    process = subprocess.Popen(
        ["bash", "-c", shell, chromium, folder, *options],
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands)
    os.close(answers)
    with open(to_browser, "wb", buffering=0) as writer, open(from_browser, "rb") as reader:  # noqa: PTH123
        yield Page(writer, reader)
        process.terminate()
        process.wait(DEADLINE_S)
