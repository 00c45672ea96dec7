"""What the front page shows: the calls that came last, and the last 24 hours in a few numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Double, Row, cast, func, select

from anura_base.analysis.network_status import RECENT
from anura_base.clips.view import ClipView, SpectrogramLayout, latest_clips, spectrogram_layout
from anura_base.config.settings import Site
from anura_base.db.queries import missing_row_counts
from anura_base.db.schema import dead_letters, devices, effort, events
from anura_edge.events import EffortState

LATEST = 100
LATEST_CLIPS = 3


@dataclass(frozen=True, slots=True)
class Now:
    """What the front page shows."""

    latest: Sequence[Row[Any]]
    calls: int
    species: int
    analysed_h: float
    """These three of the last 24 hours."""
    devices: int
    online: int
    missing: int
    dead_letters: int
    clips: Sequence[tuple[Row[Any], ClipView, SpectrogramLayout]]
    """The calls whose clips came last, how these are and where the call is in each."""


def read_now(connection: Connection, sites: Mapping[str, Site]) -> Now:
    """Read what the front page shows. `sites` are all, so that an index gives the last hours of each."""
    since, until = datetime.now(UTC) - RECENT, datetime.now(UTC) + RECENT
    recent = [events.c.site.in_(sites), events.c.start_utc.between(since, until)]
    calls, species = connection.execute(
        select(func.count(), func.count(events.c.scientific_name.distinct())).where(*recent)
    ).one()
    listened = connection.scalar(
        select(func.sum(cast(effort.c.samples, Double) / effort.c.rate_hz)).where(
            effort.c.site.in_(sites),
            effort.c.start_utc.between(since, until),
            effort.c.state == EffortState.ANALYSED,
        )
    )
    states = connection.scalars(select(devices.c.state)).all()
    return Now(
        connection.execute(select(events).order_by(events.c.arrival.desc()).limit(LATEST)).all(),
        calls,
        species,
        float(listened or 0) / 3_600,
        len(states),
        sum(state == "online" for state in states),
        sum(missing_row_counts(connection).values()),
        connection.scalar(select(func.count()).select_from(dead_letters)) or 0,
        [
            (call, clip, shown)
            for call, clip in latest_clips(connection, LATEST_CLIPS)
            if (shown := spectrogram_layout(clip))
        ],
    )
