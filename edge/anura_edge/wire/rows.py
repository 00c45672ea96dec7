"""Rows of the journal as they are sent: events, effort and notices."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, Notice
from anura_edge.wire.types import Code, Count, Kind, Message, Probability, Text, Utc

MAX_CHANNEL = 65_534
"""A WAV file has at most 65,535 channels."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Model, settings and program that made a row. It is the same for all rows of a run."""

    model_id: str
    model_version: str
    model_sha256: str
    config_hash: str
    app_version: str


class NumberedRow(Message):
    """The fields of rows of every kind."""

    seq: Count
    """Number in the journal's sequence: 1, 2, 3, ... over all kinds."""
    id: UUID
    model_id: Code
    model_version: Code
    model_sha256: Code
    config_hash: Code
    app_version: Code


class _Row(NumberedRow):
    """The fields of rows about a recording."""

    recording: Code
    """Id of the recording: a hash of the content of a file, or a random id of a microphone's session."""
    recording_name: Text
    start_utc: Utc
    rate_hz: Annotated[int, Field(gt=0, le=1_000_000)]
    clock_source: ClockSource


class EventRow(_Row):
    """An event, as it is sent."""

    kind: ClassVar[Kind] = "event"
    label: Code
    scientific_name: Text
    end_utc: Utc
    onset_sample: Count
    """Counted from the start of the recording, at rate_hz."""
    offset_sample: Count
    p_peak: Probability
    p_mean: Probability
    level_dbfs: Annotated[float, Field(allow_inf_nan=False)]
    channel: Annotated[int, Field(ge=0, le=MAX_CHANNEL)] | None = None
    """The channel of the recording that was analysed, counted from 0. Null if it is unknown."""
    common_name: Text = ""
    """The common name of the species. Empty if the model has none."""
    is_reliable: bool = True
    """False if the precision of the label's threshold could not be measured. Such an event causes no alert."""


class EffortRow(_Row):
    """Effort: a run of samples in one state, as it is sent."""

    kind: ClassVar[Kind] = "effort"
    state: EffortState
    first_sample: Count
    samples: Count
    """Number of samples, at rate_hz."""


class NoticeRow(NumberedRow):
    """Something that happened to the device, as it is sent."""

    kind: ClassVar[Kind] = "notice"
    what: Code
    """One of NoticeKind. Newer devices may send others."""
    utc: Utc
    detail: Text
    recording: Code
    amount: Annotated[float, Field(allow_inf_nan=False)] | None = None


Row = EventRow | EffortRow | NoticeRow


def event_row(seq: int, event: Event, provenance: Provenance) -> EventRow:
    """Return an event as a wire row."""
    return EventRow(seq=seq, **_fields(event), **_fields(provenance))


def effort_row(seq: int, effort: Effort, provenance: Provenance) -> EffortRow:
    """Return effort as a wire row."""
    return EffortRow(seq=seq, **_fields(effort), **_fields(provenance))


def notice_row(seq: int, notice: Notice, provenance: Provenance) -> NoticeRow:
    """Return a notice as a wire row."""
    return NoticeRow(seq=seq, **_fields(notice), **_fields(provenance))


def _fields(value: Event | Effort | Notice | Provenance) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
