"""Sums of calls and effort by quarter of an hour and by night. The pages read them instead of millions of rows.

Triggers of the database mark the days of a site that have changed. `refresh` computes the sums of those days again
from the rows, so a sum always agrees with its rows.

A row whose clock source is `unknown` is in no sum: its night is unknown.
"""

import logging
import math
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.exc import SQLAlchemyError

from anura_base.analysis.effort import DURATION_S, MAX_EFFORT_SPAN
from anura_base.analysis.rollup_nights import renew_zones, update_nights
from anura_base.analysis.rollup_tables import call_slots, effort_slots, species_of, stale_days
from anura_base.analysis.verdicts import COUNTED_SPECIES, IS_AS_REPORTED, IS_RELABELLED, JUDGED_EVENTS, reviews
from anura_base.config.settings import Site
from anura_base.db.engine import is_outage, root_cause, write_transaction
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import Verdict
from anura_edge.nights import SLOT_S, slot
from anura_edge.wire import FIRST_UTC, LAST_UTC

log = logging.getLogger(__name__)

MARKS_PER_STEP = 1_000
DAYS_PER_STEP = 4
"""Days of sites that one transaction computes: ingest waits for milliseconds, not until all sums are fresh."""

REFRESH_EVERY_S = 1.0

CHECK_ZONES_EVERY_S = 60.0
"""How often sites with a new time zone are looked for. Until then their nights are summed up from the quarters."""

_QUARTER = {
    "sqlite": "substr(start_utc, 12, 2) * 4 + substr(start_utc, 15, 2) / 15",
    "postgresql": "CAST(extract(hour FROM start_utc AT TIME ZONE 'UTC') * 4"
    " + floor(extract(minute FROM start_utc AT TIME ZONE 'UTC') / 15) AS integer)",
}
"""The quarter of an hour of the day in which a row begins. SQLite's own time functions round, so the text is cut."""

_DAY_S = 86_400.0

EffortSums = Mapping[tuple[int, str, str], tuple[float, float, float]]
"""Seconds, seconds with a known level, and sum of level times seconds, by slot, state and model."""


@dataclass(slots=True)
class RollupProgress:
    """How often the sums have changed since the start."""

    changes: int = 0


def run(engine: Engine, configured_sites: Mapping[str, Site], progress: RollupProgress, stop: threading.Event) -> None:
    """Keep the sums fresh until `stop` is set, and count in `progress`. After a database error, try again."""
    healthy, zones_due_s = True, 0.0
    while not stop.is_set():
        try:
            progress.changes += refresh(engine, stop)
            if time.monotonic() >= zones_due_s:
                renew_zones(engine, configured_sites, stop)
                zones_due_s = time.monotonic() + CHECK_ZONES_EVERY_S
        except SQLAlchemyError as error:
            engine.dispose()
            if healthy:
                log.warning("cannot compute sums: %s; trying again until it works", root_cause(error))
            healthy = False
        else:
            healthy = True
        stop.wait(REFRESH_EVERY_S)


def refresh(engine: Engine, stop: threading.Event | None = None) -> bool:
    """Compute the sums of all marked days, or until `stop` is set. Return whether any day was marked.

    Raises SQLAlchemyError.
    """
    was_marked = False
    while not (stop and stop.is_set()) and _refresh_some(engine):
        was_marked = True
    return was_marked


def _refresh_some(engine: Engine) -> bool:
    """Compute the sums of a few days. Return whether any day was marked."""
    with engine.connect() as connection:  # a read, so that ingest is not blocked
        # The oldest marks, so that every day has its turn; a limited number, because there can be millions.
        oldest = select(stale_days).order_by(stale_days.c.number).limit(MARKS_PER_STEP).subquery()
        marked = connection.execute(select(oldest.c.site, oldest.c.day).distinct().limit(DAYS_PER_STEP)).all()
    if not marked:
        return False
    days: set[tuple[str, datetime]] = set()
    with write_transaction(engine) as connection:
        for site, day in marked:
            done = delete(stale_days).where(stale_days.c.site == site, stale_days.c.day == day)
            # The marks are deleted before the sums are computed: a row that is committed in between is in the sum,
            # and its mark remains for the next step.
            longest_s = max(connection.scalars(done.returning(stale_days.c.seconds)), default=0.0)
            days |= {(site, each) for each in _days(day, longest_s)}
        for site, first in days:
            _compute_or_report(connection, site, first)
        update_nights(connection, days)
    return True


def _compute_or_report(connection: Connection, site: str, first: datetime) -> None:
    """Compute the sums of a day. If one of its rows makes that impossible, the day has no sums, and people are told."""
    try:
        with connection.begin_nested():
            _compute_day(connection, site, first)
    except Exception as error:  # a value of a row may cause any error, and no row may end the sums
        if is_outage(error):
            raise
        log.exception("the sums of %s on %s cannot be computed", site, first.date())
        detail = f"the calls and hours of {first:%Y-%m-%d} cannot be summed up: {error}"
        incident = Incident(IncidentKind.UNUSABLE, site, "", first.date().isoformat(), detail)
        report(connection, [(incident, datetime.now(UTC))])


def _days(day: str, longest_s: float) -> Iterable[datetime]:
    """Yield the begin of each day that a row of this length can reach, if it begins on `day`."""
    first = datetime.fromisoformat(day).replace(tzinfo=UTC)
    last = min(longest_s, MAX_EFFORT_SPAN.total_seconds()) + _DAY_S
    for number in range(math.ceil(last / _DAY_S)):
        if FIRST_UTC < first < LAST_UTC - timedelta(days=number):  # an older version stored rows of any year
            yield first + timedelta(days=number)


def _compute_day(connection: Connection, site: str, first: datetime) -> None:
    end = first + timedelta(days=1)
    for table in (call_slots, effort_slots):
        within = table.c.slot.between(slot(first), slot(end) - 1)
        connection.execute(delete(table).where(table.c.site == site, within))
    names = [column.name for column in call_slots.columns]
    connection.execute(insert(call_slots).from_select(names, _call_sums(connection.dialect.name, site, first, end)))
    names = [column.name for column in effort_slots.columns]
    sums = _effort_sums(connection, site, first, end)
    if rows := [dict(zip(names, (site, *key, *amounts), strict=True)) for key, amounts in sums.items()]:
        connection.execute(insert(effort_slots), rows)


def _call_sums(dialect: str, site: str, first: datetime, end: datetime) -> Select[Any]:
    c = events.c
    quarter = literal_column(_QUARTER[dialect], Integer)
    within = c.site == site, c.start_utc >= first, c.start_utc < end, ~unknown_clock(events)

    def calls(species: ColumnElement[str], counts: ColumnElement[int], confirmed: ColumnElement[int]) -> Select[Any]:
        columns = c.site, (slot(first) + quarter).label("slot"), species.label("species"), c.model_sha256
        query = select(*columns, counts.label("calls"), confirmed.label("confirmed"))
        return query.select_from(JUDGED_EVENTS).where(*within)

    is_confirmed = case((reviews.c.verdict == Verdict.CONFIRMED, 1), else_=0)
    reported = calls(species_of(events), case((IS_AS_REPORTED, 1), else_=0), is_confirmed)
    relabelled = calls(COUNTED_SPECIES, literal(1), literal(1)).where(IS_RELABELLED)
    rows = union_all(reported, relabelled).subquery()
    keys = [rows.c[name] for name in ("site", "slot", "species", "model_sha256")]
    return select(*keys, func.sum(rows.c.calls), func.sum(rows.c.confirmed)).group_by(*keys)


def _effort_sums(connection: Connection, site: str, first: datetime, end: datetime) -> EffortSums:
    c = effort.c
    query = select(c.start_utc, DURATION_S, c.state, c.model_sha256, c.level_dbfs).where(
        c.site == site, c.start_utc > first - MAX_EFFORT_SPAN, c.start_utc < end, ~unknown_clock(effort)
    )
    sums: dict[tuple[int, str, str], tuple[float, float, float]] = {}
    for start, duration_s, state, model, level_dbfs in connection.execute(query):
        begin_s = start.timestamp()
        end_s = min(begin_s + min(duration_s, MAX_EFFORT_SPAN.total_seconds()), end.timestamp())
        begin_s = max(begin_s, first.timestamp())
        for number in range(int(begin_s // SLOT_S), -int(-end_s // SLOT_S)):
            inside_s = min(end_s, (number + 1) * SLOT_S) - max(begin_s, number * SLOT_S)
            if inside_s > 0:
                measured_s = 0.0 if level_dbfs is None else inside_s
                total_s, total_measured_s, level = sums.get((number, state, model), (0.0, 0.0, 0.0))
                level += measured_s * (level_dbfs or 0.0)
                sums[number, state, model] = total_s + inside_s, total_measured_s + measured_s, level
    return sums
