"""A summary of one site and interval in at most 51 bytes, for links such as LoRaWAN (51 bytes at EU868, data rate 0).

All numbers are big-endian and unsigned.

| bytes | content |
|---|---|
| 0 | bits 7 to 4: VERSION; bit 3: 1 if species are left out; bits 2 to 0: clock source, its number in ClockSource |
| 1 to 4 | begin of the interval, in seconds since 1970 in UTC |
| 5 to 6 | length of the interval in minutes |
| 7 to 8 | minutes analysed in the interval |
| 9 to 12 | the first four bytes of the model's SHA-256: which labels the numbers mean |
| then 3 each | bits 23 to 11: number of the label in the bundle; 10 and 9: calling index; others: minutes with calls |

A species without calls has no entry. If there are more than MAX_SPECIES, those with the fewest minutes are left out.
`deploy/lorawan/decoder.js` decodes the same bytes for The Things Network and ChirpStack.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from anura_edge.audio import ClockSource
from anura_edge.errors import DeliveryError

VERSION = 1
MAX_BYTES = 51
_HEAD = struct.Struct(">BIHH4s")
_ENTRY_BYTES = 3
MAX_SPECIES = (MAX_BYTES - _HEAD.size) // _ENTRY_BYTES
MAX_LABELS = 1 << 13
MAX_CALLING_INDEX = 3
_MAX_MINUTES, _MAX_CALL_MINUTES = (1 << 16) - 1, (1 << 9) - 1
_CLOCKS = tuple(ClockSource)


@dataclass(frozen=True, slots=True)
class SpeciesSummary:
    """The calls of one species in an interval."""

    label: int
    """Its number in the labels of the bundle, from 0."""
    calling_index: int
    """0 to 3."""
    minutes_with_calls: int
    """511 stands for 511 or more."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a device recorded and detected in an interval."""

    begin_utc: datetime
    """In whole seconds."""
    length_min: int
    analysed_min: int
    clock: ClockSource
    """The least trusted of the interval."""
    model_sha256: str
    """In hex. A decoded one has its first 8 digits."""
    species: Sequence[SpeciesSummary]
    """The most frequent first."""
    is_cut: bool = False
    """Whether species are left out."""


def encode_summary(summary: Summary) -> bytes:
    """Return the bytes of a summary. ValueError for a number that the format cannot hold, or a time before 1970."""
    begin_s = int(summary.begin_utc.timestamp())
    _check("begin_utc", begin_s, (1 << 32) - 1)
    _check("length_min", summary.length_min, _MAX_MINUTES)
    _check("analysed_min", summary.analysed_min, _MAX_MINUTES)
    for each in summary.species:
        _check("label", each.label, MAX_LABELS - 1)
        _check("calling_index", each.calling_index, MAX_CALLING_INDEX)
    by_minutes = sorted(summary.species, key=lambda each: (-_minutes(each), each.label))
    is_cut = summary.is_cut or len(by_minutes) > MAX_SPECIES
    first = VERSION << 4 | is_cut << 3 | _CLOCKS.index(summary.clock)
    model = bytes.fromhex(summary.model_sha256)[:4]
    head = _HEAD.pack(first, begin_s, summary.length_min, summary.analysed_min, model)
    return head + b"".join(_entry(each) for each in by_minutes[:MAX_SPECIES])


def decode_summary(data: bytes) -> Summary:
    """Return the summary of some bytes. DeliveryError for bytes that are none, or of another version."""
    if len(data) < _HEAD.size or len(data) > MAX_BYTES or (len(data) - _HEAD.size) % _ENTRY_BYTES:
        raise DeliveryError(f"{len(data)} bytes are not a summary; check that the payload arrived whole")
    first, begin_s, length_min, analysed_min, model = _HEAD.unpack_from(data)
    if first >> 4 != VERSION:
        raise DeliveryError(f"a summary of version {first >> 4}; this program reads version {VERSION}")
    if (clock := first & 7) >= len(_CLOCKS):
        raise DeliveryError(f"a summary with the unknown clock source {clock}; upgrade this program")
    entries = (int.from_bytes(data[at : at + _ENTRY_BYTES]) for at in range(_HEAD.size, len(data), _ENTRY_BYTES))
    species = tuple(
        SpeciesSummary(each >> 11, each >> 9 & MAX_CALLING_INDEX, each & _MAX_CALL_MINUTES) for each in entries
    )
    begin_utc = datetime.fromtimestamp(begin_s, UTC)
    return Summary(begin_utc, length_min, analysed_min, _CLOCKS[clock], model.hex(), species, bool(first & 8))


def _check(name: str, number: int, highest: int) -> None:
    if not 0 <= number <= highest:
        raise ValueError(f"a summary cannot hold {name} {number}; it must be 0 to {highest}")


def _entry(species: SpeciesSummary) -> bytes:
    return (species.label << 11 | species.calling_index << 9 | _minutes(species)).to_bytes(_ENTRY_BYTES)


def _minutes(species: SpeciesSummary) -> int:
    return min(species.minutes_with_calls, _MAX_CALL_MINUTES)
