"""Search for calls: a page of them in an order, how many there are, and the calls before and after one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, UnaryExpression, and_, func, or_, select

from anura_base.analysis.verdicts import JUDGED_EVENTS, VERDICT_COLUMNS
from anura_base.clips.tables import clips
from anura_base.config.settings import Site
from anura_base.db.schema import events
from anura_base.exchange.call_filter import CallFilter, VerdictFilter, conditions

PAGE_ROWS = 50

MAX_COUNTED = 10_000
"""More calls are not counted and not listed: no person reads them. An export has them all."""


class CallOrder(StrEnum):
    """The order of the calls on a page. Calls with equal values are in the order of their arrival, the latest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SCORE = "highest score"
    LEVEL = "loudest"


_KEYS: Mapping[CallOrder, UnaryExpression[Any]] = {
    CallOrder.NEWEST: events.c.start_utc.desc(),
    CallOrder.OLDEST: events.c.start_utc.asc(),
    CallOrder.SCORE: events.c.p_peak.desc(),
    CallOrder.LEVEL: events.c.level_dbfs.desc(),
}


@dataclass(frozen=True, slots=True)
class FoundCalls:
    """One page of the calls that a filter selects."""

    calls: Sequence[Row[Any]]
    """Events with their verdicts and the state of their clips, `clip_state`."""
    count: int
    """Number of all calls that the filter selects; MAX_COUNTED + 1 if there are more."""

    @property
    def is_counted(self) -> bool:
        """Whether `count` is exact."""
        return self.count <= MAX_COUNTED


def search(
    connection: Connection, wanted: CallFilter, sites: Mapping[str, Site], order: CallOrder, page: int
) -> FoundCalls:
    """Return a page of the selected calls; the first page is 1. `sites` are all sites."""
    where = conditions(wanted, sites)
    any_of = select(events.c.arrival).where(*where).limit(MAX_COUNTED + 1)
    count = connection.scalar(select(func.count()).select_from(any_of.subquery())) or 0
    ordered = select(events.c.arrival).where(*where).order_by(_KEYS[order], events.c.arrival.desc())
    numbers = connection.scalars(ordered.limit(PAGE_ROWS).offset(PAGE_ROWS * (page - 1))).all()
    rows = {row.arrival: row for row in connection.execute(_call_rows().where(events.c.arrival.in_(numbers)))}
    return FoundCalls([rows[number] for number in numbers if number in rows], count)


def find_call(connection: Connection, event_id: UUID) -> Row[Any] | None:
    """Return a call with its verdict and the state of its clip, None if there is none."""
    return connection.execute(_call_rows().where(events.c.id == event_id)).first()


def calls_around(connection: Connection, call: Row[Any], count: int) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
    """Return at most `count` calls of the same device before and after a call, each in the order of time."""
    c = events.c
    of_device = _call_rows().where(c.site == call.site, c.device == call.device)
    before = of_device.where(_is_beyond(call, earlier=True)).order_by(c.start_utc.desc(), c.arrival.desc())
    after = of_device.where(_is_beyond(call, earlier=False)).order_by(c.start_utc, c.arrival)
    return connection.execute(before.limit(count)).all()[::-1], connection.execute(after.limit(count)).all()


def reference_calls(connection: Connection, call: Row[Any], count: int) -> Sequence[Row[Any]]:
    """Return at most `count` other calls that people confirmed as the species of a call, with clips, the best first."""
    species = call.new_name or call.new_label or call.scientific_name or call.label
    confirmed = CallFilter(species=species, verdict=VerdictFilter.CONFIRMED, clip=True)
    others = _call_rows().where(*conditions(confirmed, {}), events.c.id != call.id)
    return connection.execute(others.order_by(events.c.p_peak.desc(), events.c.arrival).limit(count)).all()


def _is_beyond(call: Row[Any], *, earlier: bool) -> ColumnElement[bool]:
    start, arrival = events.c.start_utc, events.c.arrival
    if earlier:
        same = start <= call.start_utc
        return and_(same, or_(start < call.start_utc, arrival < call.arrival))
    return and_(start >= call.start_utc, or_(start > call.start_utc, arrival > call.arrival))


def _call_rows() -> Select[Any]:
    columns = events, *VERDICT_COLUMNS, clips.c.state.label("clip_state")
    return select(*columns).select_from(JUDGED_EVENTS.outerjoin(clips, clips.c.event_id == events.c.id))
