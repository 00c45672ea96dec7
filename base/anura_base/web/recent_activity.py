"""Data of the front page: the latest calls and clips, the latest night, and totals of the last 24 hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from anura_base.analysis.known_nights import latest_night
from anura_base.analysis.last_day import calls_of_last_day, hours_of_last_day
from anura_base.analysis.latest_night import NightCalls, calls_of_night
from anura_base.analysis.reviews import find_event
from anura_base.analysis.verdicts import COUNTED_SPECIES, JUDGED_EVENTS, VERDICT_COLUMNS
from anura_base.clips.view import ClipView, SpectrogramLayout, latest_clips, spectrogram_layout
from anura_base.config.settings import Site
from anura_base.db.queries import missing_row_counts, present_states
from anura_base.db.schema import dead_letters, events
from anura_edge.audio import ClockSource
from anura_edge.events import EffortState
from anura_edge.nights import night_date

LATEST_CALLS = 50
LATEST_CLIPS = 3

BACKLOG_TIME = timedelta(minutes=10)
MAX_BACKLOG = 2_000
"""The last calls that are grouped while a backlog arrives."""


@dataclass(frozen=True, slots=True)
class CallGroup:
    """Calls of one species at one site that arrived in a short time."""

    site: str
    species: str
    calls: int
    best_score: float
    first: date | None
    """The first and the last night of the calls; None if their time is unknown."""
    last: date | None


@dataclass(frozen=True, slots=True)
class RecentActivity:
    """The latest events, and sums over the last 24 hours, for the front page."""

    latest: Sequence[Row[Any]]
    """The events that were received last, the newest first."""
    backlog: Sequence[CallGroup]
    """What arrived within BACKLOG_TIME, if it is more than `latest` shows; the largest group first."""
    night: date
    """The latest night with data."""
    of_night: Sequence[NightCalls]
    """The species of that night, the most frequent first."""
    calls: int
    """Number of calls in the last 24 hours."""
    species: int
    """Number of species in the last 24 hours."""
    analysed_h: float
    """Hours of audio analysed in the last 24 hours."""
    devices: int
    online: int
    missing: int
    dead_letters: int
    clips: Sequence[tuple[Row[Any], ClipView, SpectrogramLayout]]
    """The clips that were stored last, with their events and the layout of their spectrograms."""


def read_recent_activity(connection: Connection, sites: Mapping[str, Site]) -> RecentActivity:
    """Read the data of the front page. `sites` are all sites, so the query can use the index by site and time."""
    now = datetime.now(UTC)
    counts = select(func.count(), func.count(COUNTED_SPECIES.distinct())).select_from(JUDGED_EVENTS)
    calls, species = connection.execute(counts.where(*calls_of_last_day(sites, now))).one()
    day = hours_of_last_day(connection, sites, now)
    states = present_states(connection, now).values()
    latest = _latest(connection, LATEST_CALLS)
    night = latest_night(connection, sites)
    return RecentActivity(
        latest=latest,
        backlog=_backlog(connection, sites, latest, now),
        night=night,
        of_night=calls_of_night(connection, sites, night),
        calls=calls,
        species=species,
        analysed_h=sum(hours.get(EffortState.ANALYSED, 0.0) for hours in day.values()),
        devices=len(states),
        online=sum(state == "online" for state in states),
        missing=sum(missing_row_counts(connection).values()),
        dead_letters=connection.scalar(select(func.count()).select_from(dead_letters)) or 0,
        clips=[
            (judged, clip, layout)
            for call, clip in latest_clips(connection, LATEST_CLIPS)
            if (layout := spectrogram_layout(clip)) and (judged := find_event(connection, call.id))
        ],
    )


def _latest(connection: Connection, count: int) -> Sequence[Row[Any]]:
    columns = events, *VERDICT_COLUMNS, COUNTED_SPECIES.label("species")
    query = select(*columns).select_from(JUDGED_EVENTS).order_by(events.c.arrival.desc())
    return connection.execute(query.limit(count)).all()


def _backlog(
    connection: Connection, sites: Mapping[str, Site], latest: Sequence[Row[Any]], now: datetime
) -> list[CallGroup]:
    since = now - BACKLOG_TIME
    if len(latest) < LATEST_CALLS or latest[-1].received_utc < since:
        return []
    groups: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in _latest(connection, MAX_BACKLOG):
        if row.received_utc >= since:
            groups.setdefault((row.site, row.species), []).append(row)
    found = [_group(*key, rows, sites.get(key[0], Site())) for key, rows in groups.items()]
    return sorted(found, key=lambda group: (-group.calls, group.site, group.species))


def _group(site: str, species: str, rows: Sequence[Row[Any]], place: Site) -> CallGroup:
    nights = [night_date(row.start_utc, place) for row in rows if row.clock_source != ClockSource.UNKNOWN]
    first, last = min(nights, default=None), max(nights, default=None)
    return CallGroup(site, species, len(rows), max(row.p_peak for row in rows), first, last)
