"""Finds the audio in an AIFF or AIFF-C file. Format: Apple's "Audio Interchange File Format AIFF-C"."""

import math
import struct
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.formats.chunks import RIFX, Chunk, further_audio, read_chunk, walk
from anura_edge.sources.formats.extent import find_extent
from anura_edge.sources.formats.layout import AudioLayout, SampleType

_CODECS = {
    b"NONE": ("signed", ">"),
    b"twos": ("signed", ">"),
    b"sowt": ("signed", "<"),
    b"raw ": ("unsigned", ">"),
    b"fl32": ("float", ">"),
    b"FL32": ("float", ">"),
    b"fl64": ("float", ">"),
    b"FL64": ("float", ">"),
    b"alaw": ("alaw", ">"),
    b"ALAW": ("alaw", ">"),
    b"ulaw": ("ulaw", ">"),
    b"ULAW": ("ulaw", ">"),
}
"""Codec and byte order of the encodings that are read without libsndfile."""


def parse_aiff(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Walk over a file's chunks to its audio. Return None if it is not an AIFF file.

    Raises UnreadableError if the chunks do not lead to audio.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"FORM" or head[8:] not in (b"AIFF", b"AIFC"):
        return None
    first = {chunk.kind: chunk for chunk in reversed(list(walk(file, file_bytes, RIFX, RIFX.first)))}
    for kind in (b"COMM", b"SSND"):
        if kind not in first:
            raise UnreadableError("bad_header", f"its header does not lead to a {kind.decode()!r} chunk")
    common = read_chunk(file, first[b"COMM"])
    if len(common) < 18:
        raise UnreadableError("bad_header", f"its 'COMM' chunk has {len(common)} bytes instead of 18")
    channels, _, bits = struct.unpack_from(">HIH", common)
    codec, order = _CODECS.get(common[18:22] or b"NONE", ("aiff-" + common[18:22].hex(), ">"))
    sample_type = SampleType(codec, 8 if codec in ("alaw", "ulaw") else 8 * -(-bits // 8), order)
    extent = find_extent(file, file_bytes, RIFX, _samples(file, first[b"SSND"]))
    further = further_audio(file, file_bytes, RIFX, extent.end)
    return AudioLayout.of_plain(sample_type, _extended(common[8:18]), channels, extent, further_bytes=further)


def _samples(file: BinaryIO, sound: Chunk) -> Chunk:
    """Return the samples in an SSND chunk: they follow two numbers, the first one of which tells how far behind."""
    file.seek(sound.offset)
    (skipped,) = struct.unpack(">I", file.read(4).ljust(4, b"\0"))
    before = 8 + min(skipped, max(0, sound.size - 8))
    return Chunk(sound.kind, sound.offset + before, max(0, sound.size - before))


def _extended(number: bytes) -> int:
    """Return a number with 80 bits, of IEEE 754, as a whole one. 0 if it is none."""
    exponent, mantissa = struct.unpack(">HQ", number)
    if not 16383 <= exponent < 16383 + 64:
        return 0
    return round(math.ldexp(mantissa, exponent - 16383 - 63))
