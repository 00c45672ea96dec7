"""The queue of events without a review, and the reviews that people add.

In the order `random`, events are drawn by their ids, the lowest first. An id is a hash of the event's content, so it
has nothing to do with the score or the truth, and the order of the ids is a random order that every reviewer shares.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Index, Row, insert, select, update

from anura_base.analysis.known_nights import list_species
from anura_base.analysis.verdicts import JUDGED_EVENTS, REVIEWED_EVENTS, VERDICT_COLUMNS, reviews
from anura_base.db.schema import events
from anura_edge.events import Verdict

Index("events_by_score", events.c.scientific_name, events.c.p_peak)
Index("events_by_draw", events.c.scientific_name, events.c.id)


class ReviewOrder(StrEnum):
    """The order in which events are reviewed."""

    RANDOM = "random"
    """Only this order gives an estimate of the precision."""
    HIGHEST = "highest"
    LOWEST = "lowest"


def next_event(
    connection: Connection, species: str, site: str, order: ReviewOrder, skip: Sequence[UUID] = ()
) -> Row[Any] | None:
    """Return an event of a species without a review, None if there is none. An empty `site` stands for all sites."""
    return next(iter(next_events(connection, species, site, order, skip, limit=1)), None)


def next_events(
    connection: Connection, species: str, site: str, order: ReviewOrder, skip: Sequence[UUID], limit: int
) -> Sequence[Row[Any]]:
    """Return the next events of a species without a review, in order."""
    population = reported_as(connection, species, site)
    query = select(events, *VERDICT_COLUMNS).select_from(JUDGED_EVENTS)
    query = query.where(*population, reviews.c.number.is_(None))
    if skip:
        query = query.where(events.c.id.not_in(skip))
    # The columns of the indexes, so that nothing is sorted.
    columns = (events.c.id,) if order is ReviewOrder.RANDOM else (events.c.p_peak, events.c.arrival)
    ordered = (column.desc() if order is ReviewOrder.HIGHEST else column for column in columns)
    return connection.execute(query.order_by(*ordered).limit(limit)).all()


def reported_as(connection: Connection, species: str, site: str = "") -> list[ColumnElement[bool]]:
    """Return the conditions for the events that the model reported as a species. An empty `site` stands for all."""
    # A condition on either the name or the label, not both with OR, so that the index gives the order, too.
    conditions = [events.c.scientific_name == species]
    if connection.execute(select(events.c.id).where(*conditions).limit(1)).first() is None:
        conditions = [events.c.scientific_name == "", events.c.label == species]
    return [*conditions, events.c.site == site] if site else conditions


def find_event(connection: Connection, event_id: UUID) -> Row[Any] | None:
    """Return the event with this id and the columns of its verdict, None if there is none."""
    query = select(events, *VERDICT_COLUMNS).select_from(JUDGED_EVENTS).where(events.c.id == event_id)
    return connection.execute(query).first()


def add_review(
    connection: Connection,
    event_id: UUID,
    reviewer: str,
    verdict: Verdict,
    label: str = "",
    drawn_from: str | None = None,
) -> None:
    """Store a review of an event. `label` is the species that calls, for the verdict `relabelled`.

    `drawn_from` is the site from which the event was drawn at random, empty for all sites, None if it was not drawn.
    """
    label = label if verdict is Verdict.RELABELLED else ""
    row = {
        "event_id": event_id,
        "reviewed_utc": datetime.now(UTC),
        "reviewer": reviewer,
        "verdict": verdict.value,
        "label": label,
        "scientific_name": dict(known_labels(connection)).get(label, "") if label else "",
        "drawn_from": drawn_from,
    }
    connection.execute(insert(reviews).values(row))


def latest_review(connection: Connection, reviewer: str) -> Row[Any] | None:
    """Return the reviewer's last review that counts, with its event; None if there is none."""
    columns = reviews, events.c.scientific_name.label("event_name"), events.c.label.label("event_label")
    query = select(*columns).select_from(REVIEWED_EVENTS).where(reviews.c.reviewer == reviewer)
    return connection.execute(query.order_by(reviews.c.number.desc()).limit(1)).first()


def reviewed_events(connection: Connection, *where: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Return every reviewed event that meets some conditions, with the review that counts."""
    query = select(events, *VERDICT_COLUMNS).select_from(REVIEWED_EVENTS).where(*where)
    return connection.execute(query.order_by(events.c.site, events.c.start_utc, events.c.id)).all()


def known_labels(connection: Connection) -> list[tuple[str, str]]:
    """Return label and scientific name of every species that a model reported or a reviewer named.

    The scientific name is empty if only a reviewer named the label.
    """
    named = connection.scalars(select(reviews.c.label).where(reviews.c.label != "").distinct())
    names = dict.fromkeys(named, "")
    # One event of each species, by the index: a scan of all events takes seconds.
    for species in list_species(connection, rejected=True):
        one = select(events.c.label, events.c.scientific_name).where(*reported_as(connection, species)).limit(1)
        names |= {row.label: row.scientific_name for row in connection.execute(one)}
    return sorted(names.items(), key=lambda item: (item[1] or item[0], item[0]))


def name_relabelled(connection: Connection) -> None:
    """Store the scientific names of reviews from versions that stored only the label."""
    for label, name in known_labels(connection):
        without_name = reviews.c.label == label, reviews.c.scientific_name == ""
        if name:
            connection.execute(update(reviews).where(*without_name).values(scientific_name=name))
