"""Reads the `wamd` chunk of Wildlife Acoustics' recorders.

Layout: the vendor's header file wa_meta.h (in QutEcoacoustics/emu, docs/WildlifeAcoustics). A list of sub-chunks, each
with a u16 number, a u32 length and its bytes, little-endian. The first one must contain version 1.
"""

import struct
from collections.abc import Iterator

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_time
from anura_edge.sources.metadata.text import first_number, printable_text, signed

VERSION, MODEL, SERIAL, FIRMWARE, START, POSITION, LAST_POSITION, TEMPERATURE = 0, 1, 2, 3, 5, 6, 0x14, 0x15
TIME_EXPANSION = 0x0F
MAX_SUB_CHUNKS = 1_000
MAX_TEXT_BYTES = 1_000
"""Longer sub-chunks are not text: a voice note is a complete WAV file."""


def read_wamd(chunk: bytes) -> TimeEvidence:
    """Return the content of a wamd chunk. Other versions than 1 give nothing."""
    sub_chunks = list(_sub_chunks(chunk))
    if not sub_chunks or sub_chunks[0][0] != VERSION or sub_chunks[0][1][:2] != b"\x01\x00":
        return TimeEvidence()
    texts: dict[int, str] = {}
    for number, value in sub_chunks:
        if len(value) <= MAX_TEXT_BYTES and (text := value.decode("latin-1").strip(" \t\r\n\0")):
            texts.setdefault(number, text)
    expansion = next((value for number, value in sub_chunks if number == TIME_EXPANSION and len(value) == 2), b"")
    metadata = Metadata(
        model=printable_text(texts.get(MODEL)),
        serial=printable_text(texts.get(SERIAL)),
        firmware=printable_text(texts.get(FIRMWARE)),
        temperature_c=first_number(texts.get(TEMPERATURE)),
        position=_position(texts.get(POSITION)) or _position(texts.get(LAST_POSITION)),
        time_expansion=int.from_bytes(expansion, "little") or None,
    )
    start = parse_time(text := texts.get(START, ""))
    return TimeEvidence(start, metadata=metadata, unread_time=not start and bool(text))


def _sub_chunks(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for _ in range(MAX_SUB_CHUNKS):
        if offset + 6 > len(chunk):
            return
        number, length = struct.unpack_from("<HI", chunk, offset)
        yield number, chunk[offset + 6 : offset + 6 + length]
        offset += 6 + length


def _position(text: str | None) -> Position | None:
    """Read `WGS84,nn.nnnnn,N,mmm.mmmmm,W`. Without the letters (Echo Meters also lose the sign) it is not usable."""
    parts = [part.strip() for part in (text or "").split(",")]
    if len(parts) < 5 or parts[2] not in ("N", "S") or parts[4] not in ("E", "W"):
        return None
    return Position.on_earth(signed(first_number(parts[1]), parts[2]), signed(first_number(parts[3]), parts[4]))
