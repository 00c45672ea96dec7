"""Everything that anura-edge raises on purpose.

AnuraError                  exit code
├── ConfigError             2   a setting is wrong: file, line, value, allowed range, nearest key
├── ModelError              3   a model bundle is damaged, unsafe or does not fit
├── SourceError             4   there is nothing to listen to: no such path, no such microphone
│   └── UnreadableError     -   one recording cannot be analysed: kept as a row with its reason, the rest goes on
├── JournalError            5   the journal on disk cannot be used
│   ├── JournalFullError    -   there is no room: what is in the journal is unharmed, and the rest is tried again
│   └── JournalDamagedError 5   it can no longer be read: the next start sets it aside and takes over what it can
├── DeliveryError           -   a message or a connection is not as it should be: tried again, or set aside
└── BusyError               -   others are being served: what was asked for can be had a little later

Each message names the thing and the remedy. A command that meets none of these, but met recordings that it could not
read, ends with `SOME_UNREADABLE`.
"""

from typing import ClassVar

INTERRUPTED = 130
"""Exit code: stopped by a signal before the end of a scan, as a shell reports it; the next scan goes on from there."""

SOME_UNREADABLE = 8
"""Exit code: all that could be analysed was; some recordings could not be read, now or before, or are not finished."""


class AnuraError(Exception):
    """The root: catch this to catch every error that anura-edge raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(AnuraError):
    """A setting is wrong."""

    exit_code = 2


class ModelError(AnuraError):
    """A model bundle is damaged, unsafe or does not fit."""

    exit_code = 3


class SourceError(AnuraError):
    """There is nothing to listen to."""

    exit_code = 4


class UnreadableError(SourceError):
    """One recording cannot be analysed."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail.encode(errors="backslashreplace").decode())  # names in it may not be UTF-8
        self.reason = reason
        """A short word that can be counted, as in `empty` or `not_audio`."""


class JournalError(AnuraError):
    """The journal on disk cannot be used."""

    exit_code = 5


class JournalFullError(JournalError):
    """There is no room on the disk for what should be kept."""


class JournalDamagedError(JournalError):
    """The journal can no longer be read."""


class DeliveryError(AnuraError):
    """A message or a connection is not as it should be."""


class BusyError(AnuraError):
    """What was asked for can be done, but not now."""
