"""Opens files without side effects, and identifies them by their content."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from anura_edge.audio import FloatArray
from anura_edge.errors import UnreadableError

PIECES, PIECE_BYTES = 64, 4_096
"""A fingerprint covers this many pieces of a file: all of it up to 256 KiB. Start and end alone are not enough, because
some recordings have equal headers and silence at both ends."""

HEAD_BYTES = 65_536
"""The start of a file: its header and at least the first 85 ms of a bat recorder's audio."""

READ_AHEAD_BYTES = 1 << 25
"""A card delivers 10 to 90 MB/s, less than the analysis needs. At most this much of the next file is read early."""

INTERRUPTED = "interrupted"
"""Reason if the file system failed, as when a card is removed. It says nothing about the file."""

_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL})
"""Errors of the operating system that another attempt would get again."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Fingerprints of a file's content."""

    fingerprint: str
    """BLAKE2b over its size and PIECES evenly spread pieces: a copy or a renamed file is the same recording."""
    start: bytes
    """The first PIECE_BYTES bytes."""
    head: str
    """BLAKE2b over the first HEAD_BYTES bytes. Of two files with equal heads that do not begin with silence, one is a
    part of the other, or a damaged copy."""
    size: int
    mtime_utc: datetime
    """Time of its last change."""


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


def fingerprint_file(path: Path) -> FileIdentity:
    """Return a file's fingerprints.

    Raises UnreadableError if it is empty, begins with zeros, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            digest = hashlib.blake2b(status.st_size.to_bytes(8, "little"), digest_size=16)
            head = os.pread(file.fileno(), HEAD_BYTES, 0)
            for piece in range(PIECES):
                offset = max(0, status.st_size - PIECE_BYTES) * piece // (PIECES - 1)
                digest.update(os.pread(file.fileno(), PIECE_BYTES, offset))
    except OSError as error:
        raise unreadable_error(path, error) from error
    if not status.st_size:
        raise UnreadableError("empty", f"{path}: 0 bytes; recorders leave such files when their battery is low")
    start = head[:PIECE_BYTES]
    if not any(start):
        raise UnreadableError("nul_filled", f"{path}: begins with {len(start)} zero bytes instead of a header")
    head_digest = hashlib.blake2b(head, digest_size=16).hexdigest()
    mtime_utc = datetime.fromtimestamp(status.st_mtime, UTC)
    return FileIdentity(digest.hexdigest(), start, head_digest, status.st_size, mtime_utc)


def quick_fingerprint(path: Path, name: str, size: int, mtime_ns: int) -> bytes:
    """Return BLAKE2b over a file's directory entry and the start, middle and end of its content.

    The entry alone is not enough: recorders with one schedule write cards with equal names, sizes and times. Raises
    UnreadableError if the file cannot be read.
    """
    digest = hashlib.blake2b(f"{name}/{size}/{mtime_ns}".encode(), digest_size=16)
    try:
        with open_regular(path) as file:
            for offset in (0, (size - PIECE_BYTES) // 2, size - PIECE_BYTES):
                digest.update(os.pread(file.fileno(), PIECE_BYTES, max(0, offset)))
    except OSError as error:
        raise unreadable_error(path, error) from error
    return digest.digest()


def read_ahead(path: Path) -> None:
    """Ask the operating system to read the start of a file that is needed soon, in the background."""
    with suppress(OSError, UnreadableError), open_regular(path) as file:
        os.posix_fadvise(file.fileno(), 0, READ_AHEAD_BYTES, os.POSIX_FADV_WILLNEED)


def full_fingerprint(path: Path, blocks: Iterable[FloatArray], named_start: datetime | None) -> str:
    """Return BLAKE2b over all of a file that begins with silence. `blocks` are its samples.

    If all of it is silent, its content does not identify it: two recordings of a broken microphone are equal in every
    byte, but they are two recordings. Then the time in its name, if there is one, is part of its identity.

    Raises UnreadableError if it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open_regular(path) as file:
            while content := file.read(1 << 20):
                digest.update(content)
    except OSError as error:
        raise unreadable_error(path, error) from error
    if not _has_signal(blocks):
        digest.update(str(named_start).encode())
    return digest.hexdigest()


def _has_signal(blocks: Iterable[FloatArray]) -> bool:
    """Return whether any sample differs from the first one of its channel."""
    first: FloatArray | None = None
    try:
        for block in blocks:
            first = block[:1] if first is None else first
            if not (block == first).all():
                return True
    except UnreadableError as error:
        if error.reason == INTERRUPTED:
            raise
    return False
