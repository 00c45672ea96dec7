"""The ids that recordings had before ids depended on the audio only. Journals of that time contain them.

They covered the whole file with its header. A file is looked up by them only if it is not known by its present id.
"""

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray, is_flat
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.regular_file import INTERRUPTED, open_regular, unreadable_error
from anura_edge.sources.formats.layout import AudioLayout

_PIECES, _PIECE_BYTES, _HEAD_BYTES = 64, 4_096, 65_536
_START_S = 0.05
_LEAST_AUDIO_BYTES = 8_192
"""A start of a file with less audio says nothing about the recording: many have equal headers."""


@dataclass(frozen=True, slots=True)
class FormerIdentity:
    """The former id of a file, and the hash of its first 64 KiB if that contains audio with a signal."""

    id: str
    head: str | None
    file_bytes: int


def former_identity(
    path: Path,
    layout: AudioLayout,
    named_start: datetime | None,
    blocks: Callable[[float], Generator[FloatArray]],
) -> FormerIdentity:
    """Return the former identity of a file. `blocks` decodes it, some seconds at a time.

    Raises UnreadableError if it cannot be read.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = os.pread(file.fileno(), _HEAD_BYTES, 0)
            digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
            for piece in range(_PIECES):
                offset = max(0, size - _PIECE_BYTES) * piece // (_PIECES - 1)
                digest.update(os.pread(file.fileno(), _PIECE_BYTES, offset))
            if _begins_flat(blocks):
                return FormerIdentity(_of_whole_file(path, named_start, blocks), None, size)
    except OSError as error:
        raise unreadable_error(path, error) from error
    has_audio = len(head) - layout.extent.offset >= _LEAST_AUDIO_BYTES
    return FormerIdentity(
        digest.hexdigest(), hashlib.blake2b(head, digest_size=16).hexdigest() if has_audio else None, size
    )


def _begins_flat(blocks: Callable[[float], Generator[FloatArray]]) -> bool:
    with suppress(UnreadableError):
        return is_flat(next(blocks(_START_S), np.zeros((0, 1), np.float32)))
    return False


def _of_whole_file(path: Path, named_start: datetime | None, blocks: Callable[[float], Generator[FloatArray]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open_regular(path) as file:
        while content := file.read(1 << 20):
            digest.update(content)
    if not _varies(blocks(_START_S)):
        digest.update(str(named_start).encode())
    return digest.hexdigest()


def _varies(blocks: Generator[FloatArray]) -> bool:
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
