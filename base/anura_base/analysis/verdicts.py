"""Verdicts of people on events, and what an event counts as.

Every sum, page, export and answer uses these definitions. A rejected call does not count. A relabelled call counts
under its new name. The opinion of a person about an event is the person's last review of it, unless it is `undone`. The
last opinion is the verdict of the event.
"""

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Index,
    Table,
    Text,
    Uuid,
    and_,
    case,
    exists,
    or_,
    select,
)

from anura_base.analysis.rollup_tables import species_of
from anura_base.db.schema import ArrivalNumber, UtcDateTime, events, metadata
from anura_edge.events import Verdict

reviews = Table(
    "reviews",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("event_id", Uuid, nullable=False),
    Column("reviewed_utc", UtcDateTime, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("label", Text, nullable=False),  # the species that calls, for the verdict `relabelled`; else empty
    Column("scientific_name", Text, nullable=False, server_default=""),  # of that label; empty if it is not known
    # The site from which the event was drawn at random, empty for all sites. NULL if it was not drawn at random.
    Column("drawn_from", Text),
    Index("reviews_by_event", "event_id"),
    sqlite_autoincrement=True,
)
"""All reviews. A review is never changed, so its reviewer and time are never lost."""


def is_opinion(review: FromClause) -> ColumnElement[bool]:
    """Return the condition for reviews that are the opinion of their reviewer. `review` is `reviews` or its alias."""
    later = reviews.alias()
    same = later.c.event_id == review.c.event_id, later.c.reviewer == review.c.reviewer
    is_taken_back_or_changed = exists(select(later.c.number).where(*same, later.c.number > review.c.number))
    return and_(review.c.verdict != Verdict.UNDONE, ~is_taken_back_or_changed)


_later = reviews.alias("later_opinions")
_is_later = _later.c.event_id == reviews.c.event_id, _later.c.number > reviews.c.number

IS_CURRENT = and_(is_opinion(reviews), ~exists(select(_later.c.number).where(*_is_later, is_opinion(_later))))
"""Whether a review is the one that counts for its event."""

IS_VERDICT_OF_EVENT = and_(reviews.c.event_id == events.c.id, IS_CURRENT)

JUDGED_EVENTS = events.outerjoin(reviews, IS_VERDICT_OF_EVENT)
"""Every event with the review that counts. Without one, the columns of `reviews` are NULL."""

REVIEWED_EVENTS = reviews.join(events, IS_VERDICT_OF_EVENT)
"""The events with a review that counts, and that review."""

VERDICT_COLUMNS = (
    reviews.c.verdict,
    reviews.c.label.label("new_label"),
    reviews.c.scientific_name.label("new_name"),
    reviews.c.reviewer,
    reviews.c.reviewed_utc,
)
"""The verdict of an event, as its row shows it. They are NULL without a verdict."""

IS_RELABELLED = reviews.c.verdict == Verdict.RELABELLED

IS_AS_REPORTED = or_(reviews.c.verdict.is_(None), reviews.c.verdict == Verdict.CONFIRMED)
"""Whether an event of JUDGED_EVENTS counts under the model's name."""

NEW_SPECIES: ColumnElement[str] = case(
    (reviews.c.scientific_name == "", reviews.c.label), else_=reviews.c.scientific_name
)
"""The species of a review with the verdict `relabelled`."""

COUNTED_SPECIES: ColumnElement[str] = case((IS_RELABELLED, NEW_SPECIES), else_=species_of(events))
"""The species that an event of JUDGED_EVENTS counts as: the scientific name, or the label if there is no name."""


def is_counted(*, confirmed: bool = False) -> ColumnElement[bool]:
    """Return the condition for events of JUDGED_EVENTS that count.

    `confirmed` selects only those whose species a person confirmed or named.
    """
    if confirmed:
        return reviews.c.verdict.in_([Verdict.CONFIRMED, Verdict.RELABELLED])
    return or_(reviews.c.verdict.is_(None), reviews.c.verdict != Verdict.REJECTED)
