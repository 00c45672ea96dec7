"""Tells systemd how the service is doing: one datagram of words, as sd_notify(3) describes it."""

import os
import socket

READY, STOPPING, WATCHDOG = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify(*words: str) -> None:
    """Tell the service manager, if one listens; a manager that has gone away is no reason to stop hearing frogs."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    address = "\0" + address[1:] if address.startswith("@") else address  # Linux's abstract names begin with NUL
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        try:
            manager.sendto("\n".join(words).encode(), address)
        except OSError:
            return


def status(text: str) -> str:
    """Put a sentence into the form that `systemctl status` shows."""
    return f"STATUS={' '.join(text.split())}"


def watchdog_s() -> float | None:
    """Return how soon after one WATCHDOG the manager wants the next, or None if it does not watch this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and pid == str(os.getpid()) else None
