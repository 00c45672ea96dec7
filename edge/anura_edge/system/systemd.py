"""Messages to systemd: one datagram of words, as in sd_notify(3)."""

import os
import socket

READY, STOPPING, WATCHDOG = "READY=1", "STOPPING=1", "WATCHDOG=1"


def is_service() -> bool:
    """Return whether this process is a service, or the process of a container: then something starts it again."""
    return bool(os.environ.get("NOTIFY_SOCKET")) or os.getpid() == 1


def notify(*words: str) -> None:
    """Send words to the service manager, if there is one. A manager that does not answer is ignored."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    address = "\0" + address[1:] if address.startswith("@") else address  # abstract names begin with NUL in Linux
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        try:
            manager.sendto("\n".join(words).encode(), address)
        except OSError:
            return


def status(text: str) -> str:
    """Return a sentence in the form that `systemctl status` shows."""
    return f"STATUS={' '.join(text.split())}"


def watchdog_s() -> float | None:
    """Return the longest time between two WATCHDOG messages, or None if the manager does not watch this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and pid == str(os.getpid()) else None
