"""Opens files without side effects."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from anura_edge.errors import UnreadableError

READ_AHEAD_BYTES = 1 << 25
"""A card delivers 10 to 90 MB/s, less than the analysis needs. At most this much of the next file is read early."""

INTERRUPTED = "interrupted"
"""Reason if the file system failed, as when a card is removed. It says nothing about the file."""

_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL})
"""Errors of the operating system that another attempt would get again."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file. A link is not followed, and a pipe does not block, even if it replaced a file just now.

    Raises OSError, or UnreadableError if it is not a regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise UnreadableError("not_a_file", f"{path}: not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableError("not_a_file", f"{path}: not a regular file")
    return os.fdopen(descriptor, "rb")


def unreadable_error(path: Path, error: OSError) -> UnreadableError:
    """Return the error for a failed read: its reason tells whether the file is the cause, or only this attempt."""
    reason = "cannot_open" if error.errno in _PERMANENT else INTERRUPTED
    return UnreadableError(reason, f"{path}: {error.strerror}; check its name, and whether the card is inserted")


def read_ahead(path: Path) -> None:
    """Ask the operating system to read the start of a file that is needed soon, in the background."""
    with suppress(OSError, UnreadableError), open_regular(path) as file:
        os.posix_fadvise(file.fileno(), 0, READ_AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
