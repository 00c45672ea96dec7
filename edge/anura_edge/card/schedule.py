"""Find a recorder's schedule from its recordings, and the gaps in it. No I/O, no clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

DAY_S = 86_400

USUAL_SHARE = 1 / 3
"""An interval is a schedule if at least this share of recordings follow at it. Triggered recordings have none."""

USUAL_FROM_DAYS = 3
"""With recordings of at least this many days, a time of day without recordings on most days is no gap."""

OVERLAP_S = 1.0
"""Shorter overlaps are ignored."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Time and duration of one recording."""

    name: str
    start_utc: datetime
    seconds: float
    """0 for an unreadable file. It is no gap, because its reason is reported separately."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Recordings that the schedule contains and the card does not."""

    from_utc: datetime
    """Scheduled time of the first missing recording."""
    until_utc: datetime
    """Time of the next recording."""
    recordings: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """A recording that ends after the start of the next one."""

    name: str
    seconds: float


def interval_s(slots: Sequence[Slot]) -> int | None:
    """Return the schedule's interval, of slots in order of time; None if there is no schedule."""
    intervals = Counter(round((b.start_utc - a.start_utc).total_seconds()) for a, b in pairwise(slots))
    del intervals[0]
    if not intervals:
        return None
    seconds, count = intervals.most_common(1)[0]
    return seconds if count >= 2 and count >= USUAL_SHARE * (len(slots) - 1) else None


def gaps(slots: Sequence[Slot], every_s: int) -> list[Gap]:
    """Return the gaps in the schedule, of slots in order of time."""
    numbers = [round((slot.start_utc - slots[0].start_utc).total_seconds() / every_s) for slot in slots]
    usual = _usual(numbers, every_s)
    found = []
    for (before, last), (after, following) in pairwise(zip(numbers, slots, strict=True)):
        missing, first = _missing(before, after - before - 1, usual)
        if missing:
            due = last.start_utc + timedelta(seconds=first * every_s)
            found.append(Gap(due, following.start_utc, missing))
    return found


def overlaps(slots: Sequence[Slot]) -> list[Overlap]:
    """Return the recordings that overlap the next one, of slots in order of time."""
    overlapping = [(a, (a.start_utc - b.start_utc).total_seconds() + a.seconds) for a, b in pairwise(slots)]
    return [Overlap(slot.name, seconds) for slot, seconds in overlapping if seconds > OVERLAP_S]


@dataclass(frozen=True, slots=True)
class _Usual:
    """The slots of a day, counted from the first recording, in which most days have a recording."""

    per_day: int
    slots: frozenset[int]


def _usual(numbers: Sequence[int], every_s: int) -> _Usual | None:
    """Return the usual slots; None if every slot counts, for few days or slots that differ from day to day."""
    if DAY_S % every_s:
        return None
    per_day = DAY_S // every_s
    if numbers[-1] // per_day + 1 < USUAL_FROM_DAYS:
        return None
    days = {number // per_day for number in numbers}
    counts = Counter(number % per_day for number in numbers)
    return _Usual(per_day, frozenset(slot for slot, count in counts.items() if 2 * count >= len(days)))


def _missing(before: int, skipped: int, usual: _Usual | None) -> tuple[int, int]:
    """Return how many usual slots were skipped after a slot, and the distance to the first of them, in slots."""
    if skipped <= 0 or usual is None:
        return max(0, skipped), 1
    days, rest = divmod(skipped, usual.per_day)
    offsets = [step for step in range(1, usual.per_day + 1) if (before + step) % usual.per_day in usual.slots]
    missing = days * len(usual.slots) + sum(step <= rest for step in offsets)
    return missing, offsets[0] if offsets else 1
