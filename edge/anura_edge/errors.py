"""All errors that anura-edge raises on purpose, and the exit codes of its commands.

AnuraError
├── ConfigError              a setting or an argument is wrong; the message names file, line, value and allowed range
├── ModelError               a model bundle is damaged, unsafe or does not fit
├── SourceError              there is no such path or microphone, or it cannot be read
│   └── UnreadableError      one recording cannot be analysed; its reason is stored, and the others are analysed
├── JournalError             the journal on disk cannot be used
│   ├── JournalFullError     the disk is full; the journal is intact, and the write is tried again
│   └── JournalDamagedError  the journal cannot be read; the next start sets it aside and recovers its rows
├── DeliveryError            a message or a connection is invalid; it is tried again, or stored as a dead letter
└── BusyError                too many requests at the same time; try again later

Each message names the thing and the remedy. A command that ends with an error prints the message and exits with the
error's `exit_code`.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the commands."""

    OK = 0
    """Everything was done."""
    FAILED = 1
    """A part does not work (`anura-edge doctor`), or the reader of the output has closed the pipe."""
    CONFIG = 2
    """A setting or an argument is wrong."""
    MODEL = 3
    """The model bundle is damaged, unsafe or does not fit."""
    SOURCE = 4
    """The path or the microphone does not exist or cannot be read."""
    JOURNAL = 5
    """The journal on disk cannot be used."""
    SOME_UNREADABLE = 8
    """Everything readable was analysed. Some recordings are unreadable, now or in an earlier scan, or not finished."""
    INTERRUPTED = 130
    """A signal stopped a scan before its end. The next scan continues there."""


class AnuraError(Exception):
    """The root of all errors that anura-edge raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class ConfigError(AnuraError):
    """A setting or an argument is wrong."""

    exit_code = ExitCode.CONFIG


class ModelError(AnuraError):
    """A model bundle is damaged, unsafe or does not fit."""

    exit_code = ExitCode.MODEL


class SourceError(AnuraError):
    """A path or a microphone does not exist or cannot be read."""

    exit_code = ExitCode.SOURCE


class UnreadableError(SourceError):
    """One recording cannot be analysed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail.encode(errors="backslashreplace").decode())  # names in it may not be UTF-8
        self.reason = reason
        """A short word that can be counted, as in `empty` or `not_audio`."""


class JournalError(AnuraError):
    """The journal on disk cannot be used."""

    exit_code = ExitCode.JOURNAL


class JournalFullError(JournalError):
    """The disk has no room for new rows."""


class JournalDamagedError(JournalError):
    """The journal cannot be read."""


class DeliveryError(AnuraError):
    """A message or a connection is invalid."""


class BusyError(AnuraError):
    """Too many requests are being served."""
