"""Reads the `guan` chunk: GUANO 1.0, the Grand Unified Acoustic Notation Ontology (riggsd/guano-spec).

Real files stray from it in ways that must cost neither the audio nor the rest: lines without a colon, empty values,
blanks in place of the `T`, offsets without a colon or none at all.
"""

from collections.abc import Mapping

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_time
from anura_edge.sources.metadata.text import first_number, printable_text

MAX_LINES = 1_000


def read_guano(chunk: bytes) -> TimeEvidence:
    """Return what a GUANO chunk says; what it says wrongly is left out."""
    said = _lines(chunk)
    about = Metadata(
        model=printable_text(said.get("Model")),
        serial=printable_text(said.get("Serial")),
        firmware=printable_text(said.get("Firmware Version")),
        battery_v=first_number(said.get("OAD|Battery Voltage")),
        temperature_c=first_number(said.get("Temperature Int")),
        position=_position(said),
    )
    return TimeEvidence(start=parse_time(said.get("Timestamp", "")), about=about)


def _lines(chunk: bytes) -> dict[str, str]:
    said: dict[str, str] = {}
    for line in chunk.decode("utf-8", "replace").split("\n")[:MAX_LINES]:
        key, _, value = (part.strip(" \t\r\0") for part in line.partition(":"))
        if key and value:
            said.setdefault(key, value)
    return said


def _position(said: Mapping[str, str]) -> Position | None:
    latitude, _, longitude = said.get("Loc Position", "").partition(" ")
    return Position.on_earth(first_number(latitude), first_number(longitude))
