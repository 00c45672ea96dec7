"""Which rows of a journal have come, and up to where they may be acknowledged. No I/O, no clock.

A device numbers the rows of its journal 1, 2, 3, ... They may come in any order, more than once, or never. What has
come is a set of numbers, and what the device has given up is the highest floor that it declared. A set only grows by
union and a floor only by maximum, so no order, repetition or split of the messages can change the outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from anura_edge.wire import Span


@dataclass(frozen=True, slots=True)
class JournalProgress:
    """How far one journal has come."""

    floor: int = 1
    """The lowest number that the device still holds: what is below it and has not come will not be sent again."""

    received: tuple[Span, ...] = ()
    """The numbers that are committed, ascending, with a gap between each span and the next."""

    @property
    def contiguous(self) -> int:
        """The number to acknowledge: everything up to it is committed, or below the floor."""
        return next((last for first, last in self.received if first <= self.floor <= last), self.floor - 1)

    @property
    def missing(self) -> int:
        """How many rows up to `contiguous` never came."""
        return self.contiguous - sum(last - first + 1 for first, last in self.received if last <= self.contiguous)

    def add(self, numbers: Iterable[int], floor: int) -> "JournalProgress":
        """Return the progress after a batch. Numbers below 1 are no rows, and are left out."""
        return JournalProgress(
            max(self.floor, floor), merge_spans([*self.received, *spans(n for n in numbers if n >= 1)])
        )

    def gaps_below(self, below: int, limit: int) -> tuple[Span, ...]:
        """Return the lowest spans of numbers that can still come, but have not, although `below` has."""
        after = (last + 1 for _, last in self.received)
        begins = (max(self.floor, begin) for begin in (1, *after))
        ends = (min(below, first) - 1 for first in (*(first for first, _ in self.received), below))
        gaps = ((begin, end) for begin, end in zip(begins, ends, strict=True) if begin <= end)
        return tuple(islice(gaps, limit))


def spans(numbers: Iterable[int]) -> tuple[Span, ...]:
    """Write numbers as spans."""
    return merge_spans((number, number) for number in numbers)


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Merge spans that overlap or touch; return them in ascending order."""
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)
