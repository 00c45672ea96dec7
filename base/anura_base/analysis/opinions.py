"""Opinions of several people about the same events: second opinions and disagreement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, func, select

from anura_base.analysis.verdicts import IS_CURRENT, is_opinion, reviews

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
