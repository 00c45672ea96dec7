"""Opinions of several people about the same events: second opinions and disagreement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, exists, func, select

from anura_base.analysis.reviews import reported_as
from anura_base.analysis.verdicts import IS_CURRENT, REVIEWED_EVENTS, VERDICT_COLUMNS, is_opinion, reviews
from anura_base.db.schema import events

_all = reviews.alias("all_opinions")
_same = reviews.alias("same_opinions")
_n_all = select(func.count()).select_from(_all).where(_all.c.event_id == reviews.c.event_id, is_opinion(_all))
_n_same = select(func.count()).where(
    _same.c.event_id == reviews.c.event_id,
    _same.c.verdict == reviews.c.verdict,
    _same.c.label == reviews.c.label,
    is_opinion(_same),
)

DISPUTED_EVENTS = select(reviews.c.event_id).where(
    IS_CURRENT, 2 * _n_same.scalar_subquery() <= _n_all.scalar_subquery()
)
"""The ids of the events whose verdict is not the opinion of more than half of their reviewers."""


def reviews_of(connection: Connection, event_id: UUID) -> Sequence[Row[Any]]:
    """Return all reviews of an event, the newest first, each with `is_opinion`."""
    query = select(reviews, is_opinion(reviews).label("is_opinion")).where(reviews.c.event_id == event_id)
    return connection.execute(query.order_by(reviews.c.number.desc())).all()


def next_for_second_opinion(
    connection: Connection, species: str, site: str, reviewer: str, skip: Sequence[UUID] = ()
) -> Row[Any] | None:
    """Return a call that others have judged and this reviewer has not: first the disputed ones, then by id."""
    own = reviews.alias("own_opinions")
    mine = exists(
        select(own.c.number).where(own.c.event_id == events.c.id, own.c.reviewer == reviewer, is_opinion(own))
    )
    query = select(events, *VERDICT_COLUMNS).select_from(REVIEWED_EVENTS)
    query = query.where(*reported_as(connection, species, site), ~mine)
    if skip:
        query = query.where(events.c.id.not_in(skip))
    disputed = events.c.id.in_(DISPUTED_EVENTS.correlate(None))
    return connection.execute(query.order_by(disputed.desc(), events.c.id).limit(1)).first()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often people who judged the same call agree."""

    calls: int
    """Calls with the opinions of two or more people."""
    agreed: int
    """Those of them about which all people have the same opinion."""


def agreement(connection: Connection, species: str, site: str = "") -> Agreement:
    """Return the agreement about the calls that the model reported as a species. An empty `site` stands for all."""
    key = func.count(), func.count((reviews.c.verdict + ":" + reviews.c.label).distinct())
    joined = reviews.join(events, events.c.id == reviews.c.event_id)
    query = select(*key).select_from(joined).where(is_opinion(reviews), *reported_as(connection, species, site))
    rows = [row for row in connection.execute(query.group_by(reviews.c.event_id)) if row[0] > 1]
    return Agreement(len(rows), sum(row[1] == 1 for row in rows))
