"""Which rows of a journal have come, and up to where they may be acknowledged. No I/O, no clock.

A device numbers the rows of its journal 1, 2, 3, ... They may come in any order, more than once, or never. What has
come is a set of numbers, and what the device has given up is the highest floor that it declared. A set only grows by
union and a floor only by maximum, so no order, repetition or split of the messages can change the outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, slots=True)
class Progress:
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

    def add(self, numbers: Iterable[int], floor: int) -> "Progress":
        """Return the progress after a batch. Numbers below 1 are no rows, and are left out."""
        singles = ((number, number) for number in numbers if number >= 1)
        return Progress(max(self.floor, floor), _union([*self.received, *singles]))


def _union(spans: list[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return tuple(merged)
