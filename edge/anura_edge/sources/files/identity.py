"""Opens files without side effects, and tells one content from another."""

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

PIECES, PIECE = 64, 4_096
"""A fingerprint looks at this many pieces of a file, so at all of it up to 256 KiB. Recordings with one header and
silence at both ends do exist, so the ends alone do not tell them apart."""

HEAD = 65_536
"""How a file begins: header and, at the least, the first 85 ms of a bat recorder's sound."""

READ_AHEAD = 1 << 25
"""A card gives 10 to 90 MB/s, less than we can hear: at most this much is read before its turn comes."""

INTERRUPTED = "interrupted"
"""The reason given where the file system failed, as when a card is taken out: no verdict on the file."""

_VERDICTS = frozenset({errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL})
"""The operating system's errors that another try would meet again."""


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What a file holds, at a glance."""

    fingerprint: str
    """BLAKE2b over its size and PIECES evenly spread pieces, so that a copy or a new name is the same recording."""
    begin: bytes
    """The first PIECE bytes."""
    head: str
    """BLAKE2b over the first HEAD bytes. Of two files with one head that begin with sound, one is a part of the other,
    or a damaged copy."""
    size: int
    mtime_utc: datetime
    """Time of its last change."""


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file.

    A link is not followed, and a writer at a pipe not waited for, even if they took a file's place a moment ago.
    Raises OSError, or UnreadableError where it is anything else.
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
    """Say whether the file, or only this attempt, is at fault."""
    reason = "cannot_open" if error.errno in _VERDICTS else INTERRUPTED
    return UnreadableError(reason, f"{path}: {error.strerror}; look at its name, and whether the card is in")


def fingerprint_file(path: Path) -> FileIdentity:
    """Take a file's fingerprint.

    Raises UnreadableError if there is nothing in it, or it cannot be read.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            digest = hashlib.blake2b(status.st_size.to_bytes(8, "little"), digest_size=16)
            head = os.pread(file.fileno(), HEAD, 0)
            for piece in range(PIECES):
                at = max(0, status.st_size - PIECE) * piece // (PIECES - 1)
                digest.update(os.pread(file.fileno(), PIECE, at))
    except OSError as error:
        raise unreadable_error(path, error) from error
    if not status.st_size:
        raise UnreadableError("empty", f"{path}: 0 bytes; recorders leave such files when their battery is low")
    begin = head[:PIECE]
    if not any(begin):
        raise UnreadableError("nul_filled", f"{path}: begins with {len(begin)} zero bytes in place of a header")
    of_head = hashlib.blake2b(head, digest_size=16).hexdigest()
    mtime_utc = datetime.fromtimestamp(status.st_mtime, UTC)
    return FileIdentity(digest.hexdigest(), begin, of_head, status.st_size, mtime_utc)


def quick_fingerprint(path: Path, name: str, size: int, mtime_ns: int) -> bytes:
    """Return BLAKE2b over what a listing says of a file and over its begin, middle and end.

    The listing alone will not do: recorders on one schedule write cards with the same names, sizes and times.
    Raises UnreadableError if it cannot be read.
    """
    digest = hashlib.blake2b(f"{name}/{size}/{mtime_ns}".encode(), digest_size=16)
    try:
        with open_regular(path) as file:
            for at in (0, (size - PIECE) // 2, size - PIECE):
                digest.update(os.pread(file.fileno(), PIECE, max(0, at)))
    except OSError as error:
        raise unreadable_error(path, error) from error
    return digest.digest()


def read_ahead(path: Path) -> None:
    """Have the system read how a file begins, which is wanted soon, while we do something else."""
    with suppress(OSError, UnreadableError), open_regular(path) as file:
        os.posix_fadvise(file.fileno(), 0, READ_AHEAD, os.POSIX_FADV_WILLNEED)


def full_fingerprint(path: Path, blocks: Iterable[FloatArray], named_start: datetime | None) -> str:
    """Return BLAKE2b over all of a file that begins without sound; `blocks` are its samples.

    Without any sound its content says nothing: two recordings of a dead microphone are equal to the last byte, and are
    two recordings nevertheless. So the time in its name, where it has one, belongs to its identity then.

    Raises UnreadableError if it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open_regular(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise unreadable_error(path, error) from error
    if not _has_sound(blocks):
        digest.update(str(named_start).encode())
    return digest.hexdigest()


def _has_sound(blocks: Iterable[FloatArray]) -> bool:
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
