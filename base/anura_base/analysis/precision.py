"""The precision of a species: the share of right calls above a threshold, estimated from a random sample.

The sample is the events that the order `random` has reached: all reviewed events up to the highest id that was drawn,
in the population from which it was drawn. Within it, every event of the population is there with equal probability,
however its review came about. Events that were reviewed by score are in the sample only if the draw has passed them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, exists, func, select

from anura_base.analysis.reviews import reported_as
from anura_base.analysis.verdicts import IS_CURRENT, reviews
from anura_base.db.schema import events
from anura_edge.events import Verdict

THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


TARGET = 0.95
"""The precision for which a threshold is suggested."""

MIN_REVIEWED = 20
"""With fewer calls above a threshold, none is suggested."""

HALF_WIDTH = 0.05


@dataclass(frozen=True, slots=True)
class Precision:
    """How many of the sampled events with at least a score are right."""

    threshold: float
    reviewed: int
    right: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share that is right: Wilson's with a correction for continuity.

        It is method 4 of Newcombe (1998), Statistics in Medicine 17, 857. Without the correction it covers the truth
        too seldom when nearly all calls are right.
        """
        z, n, p = 1.96, self.reviewed, self.right / self.reviewed
        middle, below, above = 2 * n * p + z * z, 4 * p * (n * (1 - p) + 1), 4 * p * (n * (1 - p) - 1)
        low = (middle - 1 - z * math.sqrt(z * z - 2 - 1 / n + below)) / (2 * (n + z * z)) if self.right else 0.0
        high = 1.0
        if self.right < n:
            high = (middle + 1 + z * math.sqrt(z * z + 2 - 1 / n + above)) / (2 * (n + z * z))
        return max(0.0, low), min(1.0, high)


@dataclass(frozen=True, slots=True)
class PrecisionEstimate:
    """The estimates for a species at all thresholds."""

    rows: Sequence[Precision]
    """One for each threshold below the highest score of the sample."""
    waiting: int
    """Events of the sample without a verdict: they were skipped, undone, or received after the draw had passed."""
    outside: int
    """Reviewed events outside the sample: they were not drawn at random."""
    suggested: Precision | None
    """The lowest threshold with a precision of TARGET in the sample; None if there is none."""

    def more_reviews(self, half_width: float = HALF_WIDTH) -> int:
        """Return about how many more random reviews make the interval of all calls as narrow as ± `half_width`.

        It is 0 only if the interval is so narrow. Without a review there is nothing to tell, and it is 0.
        """
        if not self.rows:
            return 0
        low, high = self.rows[0].interval
        if high - low <= 2 * half_width:
            return 0
        share = (low + high) / 2
        return max(1, math.ceil(1.96**2 * share * (1 - share) / half_width**2) - self.rows[0].reviewed)


def estimate_precision(connection: Connection, species: str, site: str = "") -> PrecisionEstimate:
    """Estimate the precision of the events that the model reported as a species. An empty `site` stands for all."""
    reviewed = _reviewed(connection, species, site)
    # Also if the review was undone later. A draw from all sites is a draw from each of them.
    highest = max((row.id.hex for row in reviewed if row.drawn_from in {"", site}), default="")
    current = [row for row in reviewed if row.is_current]
    judged = [(row.p_peak, row.verdict == Verdict.CONFIRMED) for row in current if row.id.hex <= highest]
    above = [(threshold, [right for score, right in judged if score >= threshold]) for threshold in THRESHOLDS]
    rows = [Precision(threshold, len(found), sum(found)) for threshold, found in above if found]
    sample = _count_drawn(connection, species, site, UUID(highest)) if highest else 0
    return PrecisionEstimate(
        rows, waiting=sample - len(judged), outside=len(current) - len(judged), suggested=suggest(judged)
    )


def _reviewed(connection: Connection, species: str, site: str) -> Sequence[Row[Any]]:
    """Return the reviews of the events that the model reported as a species, with `is_current` and the score."""
    event = select(events.c.id).where(events.c.id == reviews.c.event_id)
    score = event.with_only_columns(events.c.p_peak).scalar_subquery().label("p_peak")
    columns = reviews.c.event_id.label("id"), score, reviews.c.drawn_from, reviews.c.verdict
    query = select(*columns, IS_CURRENT.label("is_current"))
    # EXISTS, not a join: without statistics, SQLite begins a join with all events of the species.
    return connection.execute(query.where(exists(event.where(*reported_as(connection, species, site))))).all()


def _count_drawn(connection: Connection, species: str, site: str, highest: UUID) -> int:
    population = reported_as(connection, species, site)
    return connection.scalar(select(func.count()).select_from(events).where(*population, events.c.id <= highest)) or 0


def suggest(judged: Sequence[tuple[float, bool]]) -> Precision | None:
    """Return the lowest threshold with TARGET among judged events: score, and whether it is right."""
    found, right = None, 0
    ordered = sorted(judged, reverse=True)
    for number, (score, is_right) in enumerate(ordered, 1):
        right += is_right
        is_last_of_score = number == len(ordered) or ordered[number][0] < score
        if is_last_of_score and number >= MIN_REVIEWED and right >= TARGET * number:
            found = Precision(score, number, right)
    return found
