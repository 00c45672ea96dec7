"""Data of the front page: the latest calls and clips, and totals of the last 24 hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from anura_base.analysis.last_day import calls_of_last_day, hours_of_last_day
from anura_base.analysis.reviews import find_event
from anura_base.analysis.verdicts import COUNTED_SPECIES, JUDGED_EVENTS, VERDICT_COLUMNS
from anura_base.clips.view import ClipView, SpectrogramLayout, latest_clips, spectrogram_layout
from anura_base.config.settings import Site
from anura_base.db.queries import missing_row_counts, present_states
from anura_base.db.schema import dead_letters, events
from anura_edge.events import EffortState

LATEST_CALLS = 100
LATEST_CLIPS = 3


@dataclass(frozen=True, slots=True)
class RecentActivity:
    """The latest events, and sums over the last 24 hours, for the front page."""

    latest: Sequence[Row[Any]]
    """The events that were received last, the newest first."""
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
    latest = select(events, *VERDICT_COLUMNS).select_from(JUDGED_EVENTS)
    day = hours_of_last_day(connection, sites, now)
    states = present_states(connection, now).values()
    return RecentActivity(
        latest=connection.execute(latest.order_by(events.c.arrival.desc()).limit(LATEST_CALLS)).all(),
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
