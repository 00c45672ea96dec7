"""Demo of the whole system: a small SD card, a device, a broker and a base station.

Run it with `make demo`. `KEEP=1 make demo` keeps the base station running until Ctrl-C.
"""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from anura_edge.demo.card import UTC_OFFSET, write_card
from anura_edge.errors import ExitCode
from anura_edge.store.journal import Journal

ROOT = Path("build/demo")
STATE = ROOT / "device"
TIMEOUT_S = 30.0


def main() -> int:
    """Run the demo; return the exit code."""
    data = write_card(ROOT / "card")
    print(f"The card: {len(list(data.iterdir()))} files in {data}\n")
    if mosquitto := shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return _with_base_station(data, mosquitto)
    print("mosquitto is not installed (sudo apt install mosquitto), so the device runs without a base station.\n")
    return _demo_code(subprocess.run([*_device(data), "--config", _settings(None)], check=False).returncode)


def _with_base_station(data: Path, mosquitto: str) -> int:
    port = _free_port()
    (ROOT / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n", encoding="utf-8"
    )
    with ExitStack() as stack:
        stack.enter_context(_process([mosquitto, "-c", str(ROOT / "mosquitto.conf")], "mosquitto"))
        _wait_for(port)
        address = f"127.0.0.1:{_free_port()}"
        database = f"sqlite:///{(ROOT / 'base.db').absolute()}"
        command = [_program("anura-base"), "run", "--database", database, "--mqtt", f"127.0.0.1:{port}"]
        stack.enter_context(_process([*command, "--web", address], "base"))
        _wait_for(int(address.rpartition(":")[2]))
        base = f"http://{address}/"
        print(f"The base station: {base}\nEvents that arrive there:\n")
        code, summary = _run_device(data, port, base)
        is_equal = _compare(base, summary)
        if os.environ.get("KEEP"):
            _wait_for_interrupt(base)
    return code or (0 if is_equal else 1)


def _run_device(data: Path, port: int, base: str) -> tuple[int, dict[str, Any]]:
    """Run the device on the card, and print the events that arrive at the base station."""
    arrival = max((event["arrival"] for event in _all_events(base)), default=0)
    with (ROOT / "device.log").open("w", encoding="utf-8") as log:
        device = subprocess.Popen(
            [*_device(data), "--json", "--config", _settings(port)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        # The device prints a few lines, so the pipe cannot fill.
        while device.poll() is None:
            arrival = _print_new(base, arrival)
            time.sleep(0.1)
        _print_new(base, arrival)
        assert device.stdout
        *_, last = (json.loads(line) for line in device.stdout)
    return _demo_code(device.returncode), last["summary"]


def _print_new(base: str, after: int) -> int:
    for event in _events(base, after):
        seconds = (event["offset_sample"] - event["onset_sample"]) / event["rate_hz"]
        print(
            f"  {event['start_utc'][:19]}Z  {event['scientific_name']:<30} {event['p_peak']:4.0%}  {seconds:4.1f} s"
            f"  {event['recording_name']}",
            flush=True,
        )
        after = event["arrival"]
    return after


def _compare(base: str, summary: dict[str, Any]) -> bool:
    """Print a summary. Return whether base station and device have the same events."""
    journal = Journal(STATE / "journal.db")
    on_device, pending = {str(event) for event in journal.event_ids()}, journal.outbox.pending_count()
    journal.close()
    at_base = set(_get(f"{base}api/events/ids"))
    analysed_s = summary["seconds"].get("analysed", 0)
    speed = f" at {analysed_s / summary['elapsed_s']:,.0f} x real time" if summary["elapsed_s"] else ""
    print(f"\n{summary['new']} new recordings, {summary['known']} already analysed; ", end="")
    print(f"{analysed_s / 60:.1f} min analysed{speed}")
    for reason, count in summary["unreadable"].items():
        print(f"{count} file without audio: {reason}")
    for name, count in sorted(summary["events"].items(), key=lambda item: -item[1]):
        print(f"  {name:<30} {count:>3} new")
    print(f"Device journal: {len(on_device)} events. Base station: {len(at_base)} events. {pending} rows are pending.")
    if on_device == at_base and not pending:
        print("Both have the same events, each once.")
        return True
    print(
        f"Difference: {len(on_device - at_base)} events not at the base station, "
        f"{len(at_base - on_device)} not on the device. See {ROOT}/*.log"
    )
    return False


def _wait_for_interrupt(base: str) -> None:
    print(f"\nThe base station is running: {base} (stop with Ctrl-C)", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def _settings(port: int | None) -> str:
    lines = [
        "schema: 1",
        f"state_dir: {STATE.absolute()}",
        "device: {site: pond, name: sm4-demo}",
        f"audio: {{utc_offset: '{UTC_OFFSET}'}}",
        *([] if port is None else [f"mqtt: {{host: 127.0.0.1, port: {port}}}"]),
    ]
    file = ROOT / "device.yaml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def _device(data: Path) -> list[str]:
    return [_program("anura-edge"), "run", "--source", f"folder:{data}"]


def _demo_code(code: int) -> int:
    """Return the exit code, but 0 for unreadable files: the demo card has an empty one on purpose."""
    return 0 if code == ExitCode.SOME_UNREADABLE else code


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _all_events(base: str) -> Iterator[dict[str, Any]]:
    after = 0
    while page := _events(base, after):
        yield from page
        after = page[-1]["arrival"]


def _events(base: str, after: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = _get(f"{base}api/events?limit=1000&after={after}")
    return events


def _get(url: str) -> Any:  # noqa: ANN401 (JSON)
    with urlopen(url, timeout=TIMEOUT_S) as response:
        return json.load(response)


@contextmanager
def _process(command: list[str], name: str) -> Iterator[None]:
    with (ROOT / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(TIMEOUT_S)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"no program listens on port {port}; see {ROOT}/*.log")


if __name__ == "__main__":
    sys.exit(main())
