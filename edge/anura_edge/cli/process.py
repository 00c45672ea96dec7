"""Signals, logging and the output streams of the command's process."""

import logging
import signal
import sys
from threading import Event


class StderrHandler(logging.Handler):
    """Writes to the current `sys.stderr`, which a progress bar replaces, so that lines appear above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stderr.write(f"{self.format(record)}\n")


def stop_on_signals() -> Event:
    """Return an event that SIGINT and SIGTERM set from now on."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
