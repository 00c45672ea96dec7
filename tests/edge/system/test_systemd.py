"""The service manager receives each word on any kind of socket, and never blocks the program."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from anura_edge.system import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@anura-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_words_arrive_as_one_datagram(manager: socket.socket) -> None:
    systemd.notify(systemd.READY, systemd.status("well;\n3 rows wait"))
    assert manager.recv(1_000) == b"READY=1\nSTATUS=well; 3 rows wait"


def test_manager_that_reads_nothing_does_not_block(manager: socket.socket) -> None:
    for _ in range(2_000):
        systemd.notify(systemd.WATCHDOG)


def test_missing_manager_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify(systemd.READY)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.notify(systemd.READY)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        pytest.param("60000000", str(os.getpid()), 60.0, id="own-pid"),
        ("500000", None, 0.5),
        ("60000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_ours_if_it_names_us(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_s() == seconds
