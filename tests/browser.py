"""Chromium, controlled over its debugging pipe (JSON messages, each ended by NUL)."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from support import DEADLINE_S, eventually, need


@dataclass
class Connection:
    """The debugging pipe of a browser."""

    to_browser: BinaryIO
    from_browser: BinaryIO
    calls: int = 0
    buffer: bytearray = field(default_factory=bytearray)

    def send(self, message: dict[str, Any]) -> int:
        """Send a message and return its number."""
        self.calls += 1
        self.to_browser.write(json.dumps({"id": self.calls, **message}).encode() + b"\0")
        return self.calls

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        while (end := self.buffer.find(b"\0")) < 0:
            received = self.from_browser.read(65_536)
            assert received, "the browser has ended"
            self.buffer += received
        message = json.loads(self.buffer[:end])
        del self.buffer[: end + 1]
        return message


class ProtocolError(Exception):
    """The browser refused a call of the debugging protocol."""


@dataclass
class Page:
    """A page in a browser context of its own, so it shares no cookies with other pages."""

    connection: Connection
    context: str
    session: str | None = None
    tab: str | None = None
    sessions: set[str] = field(default_factory=set)
    """Sessions of all tabs that the page has opened."""
    complaints: list[str] = field(default_factory=list)
    """Messages of the browser's log: refusals by the security policy, missing files, errors of scripts."""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the debugging protocol and return its result."""
        session = {"sessionId": self.session} if self.session else {}
        number = self.connection.send({"method": method, "params": params, **session})
        while (answer := self.connection.receive()).get("id") != number:
            if answer.get("sessionId") in self.sessions and answer.get("method") in {
                "Log.entryAdded",
                "Runtime.exceptionThrown",
            }:
                self.complaints.append(json.dumps(answer["params"]))
        if "error" in answer:
            raise ProtocolError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; None while the page navigates."""
        try:
            return self.call("Runtime.evaluate", expression=expression)["result"].get("value")
        except ProtocolError:  # the browser has ended the old page and not yet begun the new one
            return None

    def open(self, url: str) -> None:
        """Open an address in a new tab, and close the tab before, whose live updates would go on."""
        self.session, before = None, self.tab
        self.tab = self.call("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        if before:
            self.call("Target.closeTarget", targetId=before)
        self.session = self.call("Target.attachToTarget", targetId=self.tab, flatten=True)["sessionId"]
        self.sessions.add(self.session)
        for method in ("Log.enable", "Runtime.enable"):
            self.call(method)
        self.call("Page.navigate", url=url)

    def show(self, url: str) -> None:
        """Open an address in a new tab and wait until it is loaded."""
        self.open(url)
        eventually(lambda: self.evaluate(f"location.href === {json.dumps(url)} && document.readyState === 'complete'"))

    def text_of(self, selector: str = "main") -> str:
        """Return the visible text of an element, or "" while another page is loading."""
        return " ".join((self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText") or "").split())

    def count(self, selector: str) -> int:
        """Return the number of elements."""
        return int(self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length"))

    def fits(self, width: int) -> bool:
        """Set the width of the window, and return whether the page has no horizontal scroll bar."""
        metrics = {"height": 740, "deviceScaleFactor": 1, "mobile": width < 400}
        self.call("Emulation.setDeviceMetricsOverride", width=width, **metrics)
        return bool(self.evaluate("document.documentElement.scrollWidth") <= width)

    def use_scheme(self, scheme: str) -> None:
        """Let the page use its `light` or `dark` colours."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def click(self, x: float, y: float) -> None:
        """Click at a position in the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


@contextmanager
def start_browser(profile: Path, *options: str) -> Iterator[Connection]:
    """Start chromium with a profile in a folder. Skip the test if it is not installed."""
    chromium = need("chromium")
    (commands, to_browser), (from_browser, answers) = os.pipe(), os.pipe()
    always = "--headless --no-sandbox --disable-gpu --disable-background-networking --remote-debugging-pipe"
    shell = f'profile="$1"; shift; exec "$0" {always} --user-data-dir="$profile" "$@" 3<&{commands} 4>&{answers}'
    process = subprocess.Popen(
        ["bash", "-c", shell, chromium, profile, *options],
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands)
    os.close(answers)
    with open(to_browser, "wb", buffering=0) as writer, open(from_browser, "rb", buffering=0) as reader:  # noqa: PTH123
        yield Connection(writer, reader)
        process.terminate()
        process.wait(DEADLINE_S)


@contextmanager
def new_page(connection: Connection) -> Iterator[Page]:
    """Make a browser context for a page, and close it with all its tabs at the end."""
    page = Page(connection, "")
    page.context = page.call("Target.createBrowserContext")["browserContextId"]
    yield page
    page.session = None
    page.call("Target.disposeBrowserContext", browserContextId=page.context)
