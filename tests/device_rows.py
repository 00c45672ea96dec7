"""Rows and messages as a device sends them, for tests of the base station."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind
from anura_edge.wire import (
    EffortRow,
    EventRow,
    Health,
    NoticeRow,
    Provenance,
    effort_row,
    event_row,
    notice_row,
)

PROVENANCE = Provenance("anuraset-student", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


def event(seq: int, *, analysis: UUID | None = None, **changes: Any) -> EventRow:
    """Make the row of an event of 2 s."""
    start = START + timedelta(seconds=10 * seq)
    call = Event(
        id=uuid4(),
        label="PHYCUV",
        scientific_name="Physalaemus cuvieri",
        recording="b2:8f31",
        recording_name="SITE_20261120_193000.wav",
        onset_sample=220_500 * seq,
        offset_sample=220_500 * seq + 44_100,
        rate_hz=22_050,
        start_utc=start,
        end_utc=start + timedelta(seconds=2),
        clock_source=ClockSource.RECORDER,
        p_peak=0.93,
        p_mean=0.81,
        level_dbfs=-31.5,
    )
    return event_row(seq, replace(call, **changes), PROVENANCE, analysis)


def withdrawal(seq: int, *replaces: UUID, **changes: Any) -> NoticeRow:
    """Make the notice that withdraws the rows of some analyses of the recording."""
    notice = Notice(uuid4(), NoticeKind.WITHDRAWN, START, "a.wav: analysed again", "b2:8f31", replaces=replaces)
    return notice_row(seq, replace(notice, **changes), PROVENANCE)


def effort(seq: int, state: EffortState = EffortState.ANALYSED, hours: float = 1.0, **changes: Any) -> EffortRow:
    """Make a row of effort."""
    row = Effort(
        id=uuid4(),
        recording="b2:8f31",
        recording_name="SITE_20261120_193000.wav",
        state=state,
        first_sample=0,
        samples=int(hours * 3_600 * 22_050),
        rate_hz=22_050,
        start_utc=START,
        clock_source=ClockSource.RECORDER,
    )
    return effort_row(seq, replace(row, **changes), PROVENANCE)


def health(**changes: Any) -> Health:
    """Make a health message."""
    message = Health(
        utc=START,
        every_s=60,
        uptime_s=9e5,
        running_s=8e5,
        app_version="0.1.0",
        model_sha256="5f" * 32,
        config_hash="c0ffee",
        overruns=0,
        analysed_s=8e5,
        dropped_s=0.5,
        gaps=2,
        pending=1_234,
    )
    return message.model_copy(update=changes)
