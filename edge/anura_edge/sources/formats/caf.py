"""Finds the audio in a Core Audio file. Format: Apple's "Core Audio Format Specification"."""

import struct
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.formats.chunks import CAF, Chunk, read_chunk, walk
from anura_edge.sources.formats.extent import find_extent
from anura_edge.sources.formats.layout import AudioLayout, SampleType

_IS_FLOAT, _IS_LITTLE_ENDIAN = 1, 2
_EDIT_COUNT_BYTES = 4
"""Before the samples in a data chunk."""


def parse_caf(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Walk over a file's chunks to its audio. Return None if it is not a CAF file.

    Raises UnreadableError if the chunks do not lead to audio.
    """
    file.seek(0)
    if file.read(4) != b"caff":
        return None
    first = {chunk.kind: chunk for chunk in reversed(list(walk(file, file_bytes, CAF, CAF.first)))}
    for kind in (b"desc", b"data"):
        if kind not in first:
            raise UnreadableError("bad_header", f"its header does not lead to a {kind.decode()!r} chunk")
    description = read_chunk(file, first[b"desc"])
    if len(description) < 32:
        raise UnreadableError("bad_header", f"its 'desc' chunk has {len(description)} bytes instead of 32")
    rate, codec, flags, packet_bytes, _, channels, bits = struct.unpack_from(">d4sIIIII", description)
    order = "<" if flags & _IS_LITTLE_ENDIAN else ">"
    name = "float" if flags & _IS_FLOAT else "signed"
    is_plain = codec == b"lpcm" and 8 * packet_bytes == channels * bits
    name = name if is_plain else {b"alaw": "alaw", b"ulaw": "ulaw"}.get(codec, f"caf-{codec.hex()}")
    width = 8 if name in ("alaw", "ulaw") else min(64, 8 * -(-bits // 8))
    sample_type = SampleType(name, width, order)
    data = first[b"data"]
    samples = Chunk(data.kind, data.offset + _EDIT_COUNT_BYTES, max(0, data.size - _EDIT_COUNT_BYTES))
    extent = find_extent(file, file_bytes, CAF, samples)
    rate_hz = round(rate) if 0 <= rate < 2**32 else 0  # not a number is not less
    return AudioLayout.of_plain(sample_type, rate_hz, min(channels, 2**16), extent)
