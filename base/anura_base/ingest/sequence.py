"""Which rows of a journal were received, and up to which number they may be acknowledged. No I/O, no clock.

A device numbers the rows of its journal 1, 2, 3, ... They may arrive in any order, more than once, or never. The state
is the set of received numbers and the highest floor that the device declared. The set changes only by union and the
floor only by maximum, so the order, repetition and grouping of the messages cannot change the result, up to the limit
of spans that are stored.

The numbers inform people about lost rows. No row is acknowledged or refused because of them.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from anura_edge.wire import Span


@dataclass(frozen=True, slots=True)
class JournalProgress:
    """Which rows of one journal were received."""

    floor: int = 1
    """The lowest number that the device still stores. A lower number that was not received is lost."""

    received: tuple[Span, ...] = ()
    """The received numbers as (first, last) spans, ascending, with a gap between each span and the next."""

    @property
    def contiguous(self) -> int:
        """The number to acknowledge: all rows up to it were received, or are below the floor."""
        return next((last for first, last in self.received if first <= self.floor <= last), self.floor - 1)

    @property
    def missing(self) -> int:
        """How many rows up to `contiguous` are lost."""
        return self.contiguous - sum(last - first + 1 for first, last in self.received if last <= self.contiguous)

    def add(self, numbers: Iterable[int], floor: int) -> "JournalProgress":
        """Return the progress after a batch. Numbers below 1 are not valid and are ignored."""
        return JournalProgress(
            max(self.floor, floor), merge_spans([*self.received, *spans(n for n in numbers if n >= 1)])
        )

    def has_received(self, number: int) -> bool:
        """Return whether a row with this number was received."""
        if not self.received or number > self.received[-1][1]:  # almost always
            return False
        at = bisect_right(self.received, number, key=itemgetter(0)) - 1
        return at >= 0 and number <= self.received[at][1]

    def merged(self, other: "JournalProgress") -> "JournalProgress":
        """Merge the received numbers of one journal that has two names."""
        return JournalProgress(max(self.floor, other.floor), merge_spans([*self.received, *other.received]))

    def limited(self, max_spans: int) -> "JournalProgress":
        """Return the progress with at most `max_spans` spans. The lowest gaps then no longer count as missing."""
        excess = len(self.received) - max_spans
        if excess <= 0:
            return self
        merged = self.received[0][0], self.received[excess][1]
        return JournalProgress(self.floor, (merged, *self.received[excess + 1 :]))

    def gaps_below(self, number: int, limit: int) -> tuple[Span, ...]:
        """Return the lowest `limit` spans below `number` that were not received but can still arrive."""
        after = (last + 1 for _, last in self.received)
        begins = (max(self.floor, begin) for begin in (1, *after))
        ends = (min(number, first) - 1 for first in (*(first for first, _ in self.received), number))
        gaps = ((begin, end) for begin, end in zip(begins, ends, strict=True) if begin <= end)
        return tuple(islice(gaps, limit))


def spans(numbers: Iterable[int]) -> tuple[Span, ...]:
    """Return numbers as spans, in ascending order."""
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
