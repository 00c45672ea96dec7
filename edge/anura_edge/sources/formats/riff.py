"""Finds the audio in a WAV file with any header: RIFF, RIFX, RF64, BW64 and Sony Wave64.

A recorder that loses power leaves sizes of 0 or sizes beyond the end of the file. libsndfile then reads nothing, or
less than the header declares, without an error. So this module walks over the chunks itself. Formats: Microsoft's
"Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 (RF64); Sony Pictures' "Sony Wave64".
"""

import struct
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.formats.chunks import RIFF, RIFX, WAVE64, Chunk, further_audio, next_offset, read_chunk, walk
from anura_edge.sources.formats.extent import LengthStatus, find_extent
from anura_edge.sources.formats.layout import AudioLayout, SampleType

METADATA_CHUNKS = frozenset({b"guan", b"wamd", b"LIST", b"bext"})

_IN_DS64 = 0xFFFFFFFF
_EXTENSIBLE = 0xFFFE
_WAVE64_ID = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_FORMATS = {b"RIFF": RIFF, b"RF64": RIFF, b"BW64": RIFF, b"RIFX": RIFX}


def parse_wav(file: BinaryIO, file_bytes: int) -> AudioLayout | None:
    """Walk over a file's chunks to its audio. Return None if it is not a WAV file.

    Raises UnreadableError if the chunks do not lead to audio.
    """
    file.seek(0)
    head = file.read(40)
    form = _FORMATS.get(head[:4]) if head[8:12] == b"WAVE" else None
    if head[:16] == _WAVE64_ID and head[24:28] == b"wave":
        form = WAVE64
    if not form:
        return None
    chunks = list(walk(file, file_bytes, form, form.first))
    first = {chunk.kind: chunk for chunk in reversed(chunks)}
    for kind in (b"fmt ", b"data"):
        if kind not in first:
            raise UnreadableError("bad_header", f"its header does not lead to a {kind.decode().strip()!r} chunk")
    extent = find_extent(file, file_bytes, form, _with_ds64(file, first))
    if extent.end != first[b"data"].end:  # other chunks begin there
        behind = list(walk(file, file_bytes, form, next_offset(file, file_bytes, form, extent.end)))
        first = {chunk.kind: chunk for chunk in reversed(behind)} | first
    texts = {kind: read_chunk(file, chunk) for kind, chunk in first.items() if kind in METADATA_CHUNKS}
    fmt = read_chunk(file, first[b"fmt "])
    sample_type, rate_hz, channels = _parse_format(fmt, "<" if form != RIFX else ">")
    is_wrong = extent.length == LengthStatus.RECOVERED and form != RIFX and not sample_type.is_plain
    header = _header(fmt, extent.end - extent.offset) if is_wrong else b""
    further = further_audio(file, file_bytes, form, extent.end)
    return AudioLayout.of_plain(sample_type, rate_hz, channels, extent, texts, header, further)


def _with_ds64(file: BinaryIO, first: dict[bytes, Chunk]) -> Chunk:
    """Return the data chunk with its size, which an RF64 file keeps in the chunk `ds64`."""
    data = first[b"data"]
    if data.size == _IN_DS64 and (ds64 := first.get(b"ds64")):
        size = int.from_bytes(read_chunk(file, ds64)[8:16], "little")  # after the size of the whole file
        return Chunk(data.kind, data.offset, size or data.size)
    return data


def _parse_format(fmt: bytes, order: str) -> tuple[SampleType, int, int]:
    """Return type, rate and channels."""
    if len(fmt) < 16:
        raise UnreadableError("bad_header", f"its 'fmt' chunk has {len(fmt)} bytes instead of 16")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from(f"{order}HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from(f"{order}H", fmt, 24)  # the first two bytes of a GUID are the format tag
    width = 8 * -(-bits // 8)
    codecs = {1: "unsigned" if width == 8 else "signed", 3: "float", 6: "alaw", 7: "ulaw"}
    codec = codecs.get(tag, f"wav-{tag:#x}")
    return SampleType(codec, width, order), rate_hz, channels


def _header(fmt: bytes, audio_bytes: int) -> bytes:
    """Return the start of a WAV file up to its samples."""
    chunk = b"fmt " + struct.pack("<I", len(fmt)) + fmt + bytes(len(fmt) % 2)
    size = min(audio_bytes, 2**32 - 1 - len(chunk) - 12)
    body = b"WAVE" + chunk + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(body) + size) + body
