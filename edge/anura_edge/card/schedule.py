"""Finds the schedule that a recorder followed, and where it did not follow it. No I/O, no clock."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

DAY_S = 86_400

USUAL_SHARE = 1 / 3
"""An interval is a schedule's if at least this share of recordings follow at it; triggered recordings have none."""

USUAL_FROM_DAYS = 3
"""From this many days on, a time of day at which most days have no recording is no gap."""

OVERLAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A recording's place in time."""

    name: str
    start_utc: datetime
    seconds: float
    """0 for a file that cannot be read, which is no gap: it has a reason of its own."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Recordings that the schedule asks for and that no file tells of."""

    from_utc: datetime
    """When the first of them was due."""
    until_utc: datetime
    """When recording went on."""
    recordings: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """A recording that ends after the next one begins."""

    name: str
    seconds: float


def interval_s(slots: Sequence[Slot]) -> int | None:
    """Return the usual time from one start to the next, of slots in order of time; None if there is none."""
    apart = Counter(round((b.start_utc - a.start_utc).total_seconds()) for a, b in pairwise(slots))
    del apart[0]
    if not apart:
        return None
    seconds, count = apart.most_common(1)[0]
    return seconds if count >= 2 and count >= USUAL_SHARE * (len(slots) - 1) else None


def gaps(slots: Sequence[Slot], every_s: int) -> list[Gap]:
    """Return where recordings are missing, of slots in order of time."""
    numbers = [round((slot.start_utc - slots[0].start_utc).total_seconds() / every_s) for slot in slots]
    usual = _usual(numbers, every_s)
    found = []
    for (before, at), (after, until) in pairwise(zip(numbers, slots, strict=True)):
        missing, first = _missing(before, after - before - 1, usual)
        if missing:
            due = at.start_utc + timedelta(seconds=first * every_s)
            found.append(Gap(due, until.start_utc, missing))
    return found


def overlaps(slots: Sequence[Slot]) -> list[Overlap]:
    """Return which recordings run into the next one, and how far, of slots in order of time."""
    over = [(a, (a.start_utc - b.start_utc).total_seconds() + a.seconds) for a, b in pairwise(slots)]
    return [Overlap(slot.name, seconds) for slot, seconds in over if seconds > OVERLAP_S]


@dataclass(frozen=True, slots=True)
class _Usual:
    """At which of a day's slots, counted from the first recording on, there usually is one."""

    per_day: int
    slots: frozenset[int]


def _usual(numbers: Sequence[int], every_s: int) -> _Usual | None:
    """Return None where every slot counts: few days, or slots that fall on other times each day."""
    if DAY_S % every_s:
        return None
    per_day = DAY_S // every_s
    if numbers[-1] // per_day + 1 < USUAL_FROM_DAYS:
        return None
    days = {number // per_day for number in numbers}
    counts = Counter(number % per_day for number in numbers)
    return _Usual(per_day, frozenset(slot for slot, count in counts.items() if 2 * count >= len(days)))


def _missing(before: int, skipped: int, usual: _Usual | None) -> tuple[int, int]:
    """Return how many usual slots were skipped behind a slot, and how many steps away the first of them is."""
    if skipped <= 0 or usual is None:
        return max(0, skipped), 1
    days, rest = divmod(skipped, usual.per_day)
    here = [step for step in range(1, usual.per_day + 1) if (before + step) % usual.per_day in usual.slots]
    missing = days * len(usual.slots) + sum(step <= rest for step in here)
    return missing, here[0] if here else 1
