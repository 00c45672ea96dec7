"""Finds the audio in a Sun or NeXT audio file (`.au`, `.snd`): a header with a size, then samples."""

import struct
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.formats.chunks import Chunk
from anura_edge.sources.formats.extent import find_extent
from anura_edge.sources.formats.layout import AudioLayout, SampleType

_ENCODINGS = {
    2: ("signed", 8),
    3: ("signed", 16),
    4: ("signed", 24),
    5: ("signed", 32),
    1: ("ulaw", 8),
    27: ("alaw", 8),
    6: ("float", 32),
    7: ("float", 64),
}
"""By number: codec and bits of the encodings that are read without libsndfile."""


def parse_au(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Find a file's audio. Return None if it is not an AU file.

    Raises UnreadableError if its header is too short.
    """
    file.seek(0)
    head = file.read(24)
    if head[:4] != b".snd":
        return None
    if len(head) < 24:
        raise UnreadableError("bad_header", f"its header has {len(head)} bytes instead of 24")
    offset, size, encoding, rate_hz, channels = struct.unpack_from(">5I", head, 4)
    codec, bits = _ENCODINGS.get(encoding, (f"au-{encoding}", 8))
    extent = find_extent(file, file_bytes, None, Chunk(b"data", min(offset, file_bytes), size))
    return AudioLayout.of_plain(SampleType(codec, bits, ">"), rate_hz, min(channels, 2**16), extent)
