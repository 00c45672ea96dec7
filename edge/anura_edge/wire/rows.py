"""Rows of the journal as they are sent: events, effort and notices."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, Notice, default_analysis_id
from anura_edge.wire.types import (
    FIRST_UTC,
    LAST_UTC,
    MAX_RECORDING_S,
    Code,
    Count,
    Kind,
    Level,
    Message,
    Probability,
    SignedAmount,
    Text,
    Utc,
)

MAX_CHANNEL = 65_534
"""A WAV file has at most 65,535 channels."""

MAX_REPLACED = 1_000
"""Analyses that one notice can replace."""


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
    analysis: UUID
    """Id of the analysis that made the row: random, new for each analysis of a file. Of the analyses of a recording by
    one model exactly one counts."""
    analysis_rows: Count | None = None
    """The number of events and effort rows of the analysis. Null for a microphone, which goes on."""
    recording_name: Text
    start_utc: Utc
    rate_hz: Annotated[int, Field(gt=0, le=1_000_000)]
    clock_source: ClockSource

    @field_validator("clock_source")
    @classmethod
    def _doubt_limited_time(cls, source: ClockSource, info: ValidationInfo) -> ClockSource:
        return ClockSource.UNKNOWN if info.data.get("start_utc") in (FIRST_UTC, LAST_UTC) else source

    @field_validator("onset_sample", "offset_sample", "first_sample", "samples", check_fields=False)
    @classmethod
    def _check_position(cls, sample: int, info: ValidationInfo) -> int:
        if sample > MAX_RECORDING_S * info.data.get("rate_hz", 1):
            raise ValueError(f"beyond the longest recording, {MAX_RECORDING_S:.0f} s")
        return sample


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
    level_dbfs: Level
    channel: Annotated[int, Field(ge=0, le=MAX_CHANNEL)] | None = None
    """The channel of the recording that was analysed, counted from 0. Null if it is unknown."""
    common_name: Text = ""
    """The common name of the species. Empty if the model has none."""
    is_reliable: bool = True
    """False if the precision of the label's threshold could not be measured. Such an event causes no alert."""

    @field_validator("end_utc")
    @classmethod
    def _check_end(cls, end_utc: datetime, info: ValidationInfo) -> datetime:
        if end_utc < info.data.get("start_utc", FIRST_UTC):
            raise ValueError("before start_utc")
        return end_utc

    @field_validator("offset_sample")
    @classmethod
    def _check_offset(cls, offset_sample: int, info: ValidationInfo) -> int:
        if offset_sample < info.data.get("onset_sample", 0):
            raise ValueError("before onset_sample")
        return offset_sample


class EffortRow(_Row):
    """Effort: a run of samples in one state, as it is sent."""

    kind: ClassVar[Kind] = "effort"
    state: EffortState
    first_sample: Count
    samples: Count
    """Number of samples, at rate_hz."""
    level_dbfs: Level | None = None
    """Mean level of the audio. Null if it was not measured."""


class NoticeRow(NumberedRow):
    """Something that happened to the device, as it is sent."""

    kind: ClassVar[Kind] = "notice"
    what: Code
    """One of NoticeKind. Newer devices may send others."""
    utc: Utc
    detail: Text
    recording: Code
    replaced_by: Code = ""
    """Of `withdrawn`: id of the other recording that was analysed in place of `recording`. Empty if it is the same."""
    replaces: Annotated[tuple[UUID, ...], Field(max_length=MAX_REPLACED)] = ()
    """Of `withdrawn`: the analyses that are no longer valid."""
    analysis: UUID | None = None
    """Of `withdrawn`: the analysis that replaces them."""
    amount: SignedAmount | None = None


Row = EventRow | EffortRow | NoticeRow


def event_row(
    seq: int, event: Event, provenance: Provenance, analysis: UUID | None = None, analysis_rows: int | None = None
) -> EventRow:
    """Return an event as a wire row. Without `analysis` it is of the session of a microphone."""
    return EventRow(seq=seq, analysis_rows=analysis_rows, **_analysis_fields(event, provenance, analysis))


def effort_row(
    seq: int, effort: Effort, provenance: Provenance, analysis: UUID | None = None, analysis_rows: int | None = None
) -> EffortRow:
    """Return effort as a wire row. Without `analysis` it is of the session of a microphone."""
    return EffortRow(seq=seq, analysis_rows=analysis_rows, **_analysis_fields(effort, provenance, analysis))


def notice_row(seq: int, notice: Notice, provenance: Provenance) -> NoticeRow:
    """Return a notice as a wire row."""
    return NoticeRow(seq=seq, **_fields(notice), **_fields(provenance))


def _analysis_fields(value: Event | Effort, provenance: Provenance, analysis: UUID | None) -> dict[str, Any]:
    analysis = analysis or default_analysis_id(value.recording, provenance.model_sha256)
    return {"analysis": analysis, **_fields(value), **_fields(provenance)}


def _fields(value: Event | Effort | Notice | Provenance) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
