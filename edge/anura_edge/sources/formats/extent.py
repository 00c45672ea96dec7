"""Decides where the audio of an uncompressed file ends. The size in its header is a hint and no proof.

A recorder that loses power leaves a size of 0, the size at its last flush, or a size that was never true. Files of more
than 4 GiB have sizes modulo 2**32. So what follows the declared end decides: other chunks, padding, or more audio.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from anura_edge.sources.formats.chunks import KNOWN_KINDS, Chunk, ChunkFormat, are_chunks, lead_to_end

MAX_AUDIO_BYTES = 2**37
"""A header that declares more is damaged: 38 hours at 500 kHz."""

_PLACEHOLDERS = (range(1), range(0x7FFFF000, 0x80000001), range(0xFFFFF000, 0x100000000))
"""Sizes written before the size is known: AudioMoth 0, SoX and arecord just below 2**31, ffmpeg 2**32 - 1."""

_HEADER_BYTES = (8, 36, 44)
"""By so many bytes a size is too large that counts the header of the file in."""

_TAIL_BYTES = 1 << 16
"""Chunks with metadata behind the audio are searched for in so many bytes at the end of a file."""

_PROBES, _PROBE_BYTES = 64, 512
"""What lies behind the audio is padding if this many evenly spread pieces of it contain only zeros."""

_KNOWN = re.compile(b"|".join(re.escape(kind) for kind in sorted(KNOWN_KINDS)))
_MAX_MATCHES = 16


class LengthStatus(StrEnum):
    """How the length in the header compares with the file."""

    WHOLE = "whole"
    RECOVERED = "recovered"
    """The header has no length, or a wrong one, as after an interruption. All audio in the file is used."""
    TRUNCATED = "truncated"
    """The header declares more than the file contains."""


@dataclass(frozen=True, slots=True)
class AudioExtent:
    """Where the audio of a file lies."""

    offset: int
    """Byte at which the samples begin."""
    end: int
    """Byte behind the last sample in the file."""
    declared_end: int
    """Byte at which the audio ends as far as the header is to be believed. Beyond the file if audio is missing."""
    length: LengthStatus
    has_length: bool = True
    """Whether the header has any length. It may have none because the recording goes on."""


def find_extent(file: BinaryIO, file_bytes: int, form: ChunkFormat | None, data: Chunk) -> AudioExtent:
    """Return where the audio of a file ends whose samples begin at `data.offset`.

    `form` is how its chunks begin, None if the file has none. The audio ends where `data` says if chunks, padding or
    nothing follows there. If the size is wrong, it ends before the chunks at the end of the file, or with the file.
    """
    start = data.offset

    def ends_at(end: int) -> bool:
        return end == file_bytes or (form is not None and are_chunks(file, file_bytes, form, end))

    if data.end <= file_bytes:
        if ends_at(data.end):
            return AudioExtent(start, data.end, data.end, LengthStatus.WHOLE)
        for end in (data.end - surplus for surplus in {*_HEADER_BYTES, start, start - 8}):
            if form and start < end and are_chunks(file, file_bytes, form, end):
                return AudioExtent(start, end, end, LengthStatus.WHOLE)
        if data.size and _is_padding(file, data.end, file_bytes):
            return AudioExtent(start, data.end, data.end, LengthStatus.WHOLE)
        for end in range(data.end + 2**32, file_bytes + 1, 2**32):
            if ends_at(end):
                return AudioExtent(start, end, end, LengthStatus.RECOVERED)
    elif start < file_bytes and data.end - file_bytes in {*_HEADER_BYTES, start, start - 8}:
        return AudioExtent(start, file_bytes, file_bytes, LengthStatus.WHOLE)
    end = max(start, _before_last_chunks(file, file_bytes, form, start) if form else file_bytes)
    has_length = data.size <= MAX_AUDIO_BYTES and not any(data.size in sizes for sizes in _PLACEHOLDERS)
    if data.end > file_bytes <= end and has_length:
        return AudioExtent(start, end, data.end, LengthStatus.TRUNCATED)
    return AudioExtent(start, end, end, LengthStatus.RECOVERED, has_length)


def _is_padding(file: BinaryIO, start: int, end: int) -> bool:
    """Return whether only zeros, or a tag of 128 bytes, follow."""
    file.seek(start)
    if file.read(3) == b"TAG" and end - start == 128:  # ID3v1
        return True
    for probe in range(_PROBES):
        file.seek(start + max(0, end - start - _PROBE_BYTES) * probe // (_PROBES - 1))
        if any(file.read(min(_PROBE_BYTES, end - start))):
            return False
    return True


def _before_last_chunks(file: BinaryIO, file_bytes: int, form: ChunkFormat, start: int) -> int:
    """Return where chunks begin that lead exactly to the end of the file, or else the end of the file."""
    tail_at = max(start, file_bytes - _TAIL_BYTES)
    file.seek(tail_at)
    for match, _ in zip(_KNOWN.finditer(file.read(_TAIL_BYTES)), range(_MAX_MATCHES), strict=False):
        at = tail_at + match.start()
        if lead_to_end(file, file_bytes, form, at):
            return at
    return file_bytes
