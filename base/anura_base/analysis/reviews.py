"""Reviews: the verdicts of people on events. A review is never changed, so its reviewer and time are never lost.

The last review of an event counts. `undone` takes the review before back, and the event is in the queue again.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Connection, Index, Row, Select, Subquery, Table, Text, Uuid, func, insert, select

from anura_base.analysis.rollup_tables import call_slots, species_of
from anura_base.db.schema import ArrivalNumber, UtcDateTime, events, metadata

reviews = Table(
    "reviews",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False),
    Column("reviewed_utc", UtcDateTime, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("label", Text, nullable=False),  # the species that calls, for the verdict `relabelled`; else empty
    Index("reviews_by_event", "event_id"),
    sqlite_autoincrement=True,
)

Index("events_by_score", events.c.scientific_name, events.c.p_peak)


class Verdict(StrEnum):
    """A person's verdict on an event."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    """No frog calls there."""
    RELABELLED = "relabelled"
    """Another species calls there."""
    UNDONE = "undone"


class ReviewOrder(StrEnum):
    """The order in which events are reviewed."""

    ANY = "any"
    """Random over all scores, as an estimate of the precision at a threshold needs."""
    HIGHEST = "highest"
    LOWEST = "lowest"


@dataclass(frozen=True, slots=True)
class Precision:
    """How many of the reviewed events with at least a score are right."""

    threshold: float
    reviewed: int
    right: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share that is right, after Wilson (1927)."""
        z, n, p = 1.96, self.reviewed, self.right / self.reviewed
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


THRESHOLDS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def current_reviews() -> Subquery:
    """Return the reviews that count: the last of each event, unless it is `undone`."""
    last = select(func.max(reviews.c.number)).group_by(reviews.c.event_id)
    return select(reviews).where(reviews.c.number.in_(last), reviews.c.verdict != Verdict.UNDONE).subquery()


def next_event(
    connection: Connection, species: str, site: str, order: ReviewOrder, skip: Sequence[UUID] = ()
) -> Row[Any] | None:
    """Return an event of a species without a review, None if there is none. An empty `site` stands for all sites."""
    query = _of_species(connection, species).where(events.c.id.not_in(select(current_reviews().c.event_id)))
    if site:
        query = query.where(events.c.site == site)
    if skip:
        query = query.where(events.c.id.not_in(skip))
    if order is not ReviewOrder.ANY:
        up = events.c.p_peak, events.c.arrival  # the order of the index, so that nothing is sorted
        down = [column.desc() for column in up]
        return connection.execute(query.order_by(*(down if order is ReviewOrder.HIGHEST else up)).limit(1)).first()
    score = random.random()  # noqa: S311  (no secret)
    above = query.where(events.c.p_peak >= score).order_by(events.c.p_peak, events.c.arrival).limit(1)
    below = query.where(events.c.p_peak < score).order_by(events.c.p_peak.desc(), events.c.arrival.desc()).limit(1)
    return connection.execute(above).first() or connection.execute(below).first()


def _of_species(connection: Connection, species: str) -> Select[Any]:
    # A condition on either the name or the label, not both with OR, so that the index gives the order, too.
    query = select(events).where(events.c.scientific_name == species)
    if connection.execute(query.limit(1)).first() is None:
        return select(events).where(events.c.scientific_name == "", events.c.label == species)
    return query


def find_event(connection: Connection, event_id: UUID) -> Row[Any] | None:
    """Return the event with this id, None if there is none."""
    return connection.execute(select(events).where(events.c.id == event_id)).first()


def add_review(connection: Connection, event_id: UUID, reviewer: str, verdict: Verdict, label: str = "") -> None:
    """Store a review of an event. `label` is the species that calls, for the verdict `relabelled`."""
    row = {
        "event_id": event_id,
        "reviewed_utc": datetime.now(UTC),
        "reviewer": reviewer,
        "verdict": verdict.value,
        "label": label if verdict is Verdict.RELABELLED else "",
    }
    connection.execute(insert(reviews).values(row))


def latest_review(connection: Connection, reviewer: str) -> Row[Any] | None:
    """Return the reviewer's last review that counts, with its event; None if there is none."""
    current = current_reviews()
    query = (
        select(current, events.c.scientific_name, events.c.label.label("event_label"))
        .join(events, events.c.id == current.c.event_id)
        .where(current.c.reviewer == reviewer)
    )
    return connection.execute(query.order_by(current.c.number.desc()).limit(1)).first()


def precisions(connection: Connection, species: str) -> list[Precision]:
    """Return, for each threshold, how many of the reviewed events of a species are right."""
    current = current_reviews()
    query = select(events.c.p_peak, current.c.verdict).join(current, current.c.event_id == events.c.id)
    query = query.where(species_of(events) == species)
    rows = [(p, verdict == Verdict.CONFIRMED) for p, verdict in connection.execute(query)]
    found = []
    for threshold in THRESHOLDS:
        above = [right for p, right in rows if p >= threshold]
        if above:
            found.append(Precision(threshold, len(above), sum(above)))
    return found


def reviewed_events(connection: Connection) -> Sequence[Row[Any]]:
    """Return every reviewed event with the review that counts."""
    current = current_reviews()
    columns = current.c.verdict, current.c.label.label("new_label"), current.c.reviewer, current.c.reviewed_utc
    query = select(events, *columns).join(current, current.c.event_id == events.c.id)
    return connection.execute(query.order_by(events.c.site, events.c.start_utc, events.c.id)).all()


def known_labels(connection: Connection) -> list[tuple[str, str]]:
    """Return label and scientific name of every species that a model reported or a reviewer named.

    The scientific name is empty if only a reviewer named the label.
    """
    named = connection.scalars(select(reviews.c.label).where(reviews.c.label != "").distinct())
    names = dict.fromkeys(named, "")
    # One event of each species, by the index: a scan of all events takes seconds.
    for species in connection.scalars(select(call_slots.c.species).distinct()):
        one = _of_species(connection, species).limit(1)
        names |= {row.label: row.scientific_name for row in connection.execute(one)}
    return sorted(names.items(), key=lambda item: (item[1] or item[0], item[0]))
