"""Chooses which analysis of a recording counts. No I/O, no clock.

- An analysis that was first seen later counts instead of an earlier one, as soon as all of its rows are there.
- An analysis that another one replaced counts no more, as soon as all rows of the other are there.
- A recording that a longer one replaced does not count while the longer one has a complete analysis.

So an analysis of which only a part was delivered before its journal was lost never replaces a complete one.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


class Subject(NamedTuple):
    """A recording, and the model that analysed it."""

    recording: str
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysis of a recording."""

    id: UUID
    number: int
    """Ascending in the order in which analyses were first seen."""
    is_complete: bool
    """All of its rows are there, or their number is not known."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The analyses of some recordings, and the recordings that replace them."""

    analyses: Mapping[Subject, Sequence[Analysis]]
    replaced: Set[UUID]
    """Analyses that a complete one replaced."""
    longer: Mapping[Subject, Set[Subject]]
    """The recordings that replace each recording."""


def current_analysis(subject: Subject, known: Knowledge) -> UUID | None:
    """Return the analysis of a recording that counts, or None if none does."""
    for each in _all_longer(subject, known.longer):
        if any(analysis.is_complete for analysis in _live(each, known)):
            return None
    best = max(_live(subject, known), key=lambda each: (each.is_complete, each.number), default=None)
    return best.id if best else None


def _live(subject: Subject, known: Knowledge) -> list[Analysis]:
    return [each for each in known.analyses.get(subject, ()) if each.id not in known.replaced]


def _all_longer(subject: Subject, longer: Mapping[Subject, Set[Subject]]) -> set[Subject]:
    """Return the recordings that replace a recording, directly or through others."""
    found: set[Subject] = set()
    wave = set(longer.get(subject, ()))
    while wave:
        found |= wave
        wave = {by for each in wave for by in longer.get(each, ())} - found
    return found - {subject}
