"""Reads the `wamd` chunk of Wildlife Acoustics' recorders.

Layout: the vendor's header file wa_meta.h (in QutEcoacoustics/emu, docs/WildlifeAcoustics). A list of sub-chunks, each
a u16 number, a u32 length and its bytes, little-endian. The first must say version 1.
"""

import struct
from collections.abc import Iterator

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_time
from anura_edge.sources.metadata.text import first_number, printable_text

VERSION, MODEL, SERIAL, FIRMWARE, START, POSITION, LAST_POSITION, TEMPERATURE = 0, 1, 2, 3, 5, 6, 0x14, 0x15
MAX_PARTS = 1_000
MAX_TEXT_BYTES = 1_000
"""Longer parts (a voice note is a whole WAV file) are none that we read."""


def read_wamd(chunk: bytes) -> TimeEvidence:
    """Return what a wamd chunk says; of another version than 1, nothing."""
    parts = list(_parts(chunk))
    if not parts or parts[0][0] != VERSION or parts[0][1][:2] != b"\x01\x00":
        return TimeEvidence()
    said: dict[int, str] = {}
    for number, value in parts:
        if len(value) <= MAX_TEXT_BYTES and (text := value.decode("latin-1").strip(" \t\r\n\0")):
            said.setdefault(number, text)
    about = Metadata(
        model=printable_text(said.get(MODEL)),
        serial=printable_text(said.get(SERIAL)),
        firmware=printable_text(said.get(FIRMWARE)),
        temperature_c=first_number(said.get(TEMPERATURE)),
        position=_position(said.get(POSITION)) or _position(said.get(LAST_POSITION)),
    )
    return TimeEvidence(start=parse_time(said.get(START, "")), about=about)


def _parts(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(MAX_PARTS):
        if at + 6 > len(chunk):
            return
        number, length = struct.unpack_from("<HI", chunk, at)
        yield number, chunk[at + 6 : at + 6 + length]
        at += 6 + length


def _position(text: str | None) -> Position | None:
    """Read `WGS84,nn.nnnnn,N,mmm.mmmmm,W`; without the letters (Echo Meters lose the sign, too) it says nothing."""
    said = [part.strip() for part in (text or "").split(",")]
    if len(said) < 5 or said[2] not in ("N", "S") or said[4] not in ("E", "W"):
        return None
    north, east = first_number(said[1]), first_number(said[3])
    return Position.on_earth(
        north and north * (-1 if said[2] == "S" else 1), east and east * (-1 if said[4] == "W" else 1)
    )
