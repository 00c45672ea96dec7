"""What the device says about the sound: scores, then calls, then events, and the effort behind them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from anura_edge.audio import ClockSource, FloatArray

NAMESPACE = UUID("6f2f4dfc-52a5-5f0e-9d5c-6a0a3f6c7f0e")
"""The UUIDv5 namespace of every id that anura-edge derives from content (RFC 9562, section 5.5). Never changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What the model made of a stretch of audio: one row of probabilities for each step of time."""

    probabilities: FloatArray
    """Shape (rows, labels), float32, 0 to 1."""

    power: FloatArray
    """Shape (rows,), float32: mean square of each row's audio; full scale sine is 0.5."""

    first_sample: int
    """Where row 0 begins, counted from the start of the stream at the model's rate."""

    step: int
    """Samples from one row's begin to the next's."""

    span: int
    """Samples that each row speaks about: equal to `step` for a stream model, the window for a window model."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One label heard without a gap, in samples of the model's rate."""

    label: int
    """Index into the model's labels."""

    onset_sample: int
    offset_sample: int

    p_peak: float
    """The highest probability of its rows."""

    p_mean: float
    """The mean probability of its rows, merged gaps included."""

    level_dbfs: float
    """Level of the audio from onset to offset, 10 log10 of the mean square; a full-scale sine is -3.0."""


@dataclass(frozen=True, slots=True)
class Event:
    """A call with a name, a time and an identity: what is stored, sent and counted."""

    id: UUID
    """From content (see `event_id`): hearing the same recording again with the same model gives the same ids."""

    label: str
    """The label's code in the model, as in `PSECRU`."""

    scientific_name: str

    recording: str
    """Id of the recording it was heard in."""

    recording_name: str

    onset_sample: int
    """Counted from the start of the recording at its own rate."""

    offset_sample: int

    rate_hz: int

    start_utc: datetime
    end_utc: datetime
    clock_source: ClockSource
    p_peak: float
    p_mean: float
    level_dbfs: float


class EffortState(StrEnum):
    """What became of a stretch of audio. Each sample that existed is counted in exactly one state."""

    ANALYSED = "analysed"
    DROPPED = "dropped"
    """It existed, but was lost before analysis: an overflow, a machine too slow."""
    UNREADABLE = "unreadable"
    """The file promises it, but it cannot be decoded."""
    SILENT = "silent"
    """It is one flat line: a microphone that hears nothing."""
    CLIPPED = "clipped"
    """It was analysed, but so much of it is at full scale that a call in it may not be recognised."""
    PAUSED = "paused"
    """It was left out on purpose: a duty cycle, or a battery that must last."""
    GATED = "gated"
    """It was left out because it was too quiet for a frog, by the settings of `energy.gate`."""
    OFF = "off"
    """Between two recordings of a microphone: the program did not run, or ended before it could account for what it
    heard. Counted in the recording before, as if that went on."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of a recording was listened to: absence of a frog is only data where this is known."""

    id: UUID
    recording: str
    recording_name: str
    state: EffortState
    first_sample: int
    samples: int
    rate_hz: int
    start_utc: datetime
    clock_source: ClockSource

    @property
    def seconds(self) -> float:
        """Length of the stretch."""
        return self.samples / self.rate_hz


class NoticeKind(StrEnum):
    """What happened to the device that a reader of its events must know."""

    UNREADABLE = "unreadable"
    """A file could not be analysed; the detail begins with the reason, the amount is its size in bytes."""
    WITHDRAWN = "withdrawn"
    """What the same model and journal said about the recording under lower numbers does not hold any more: it was heard
    again under other settings, or only a part of it was there before."""
    MICROPHONE_LOST = "microphone_lost"
    MICROPHONE_BACK = "microphone_back"
    """The amount is the length of the gap in seconds."""
    CLOCK_STEP = "clock_step"
    """The system's clock was set; the amount is by how many seconds it went forward."""
    CLOCK_KNOWN = "clock_known"
    """The time became known after the recording began; the amount, in seconds, is to be added to the times of its rows
    whose clock is `unknown`."""
    ROWS_DROPPED = "rows_dropped"
    """Rows were given up before they were delivered; the amount is how many."""
    ROW_REFUSED = "row_refused"
    """A row was set aside because the broker or the base station does not take it."""
    JOURNAL_SALVAGED = "journal_salvaged"
    """The journal was damaged: it was set aside, and what could be read of it was taken over."""
    DISK_LOW = "disk_low"
    """The amount is the free space in bytes."""
    ENERGY = "energy"
    """What the device leaves out to save energy, from now on; the amount is the battery's charge in percent, if that is
    why."""
    SOUND_FAULT = "sound_fault"
    """The microphone gives silence, or nothing but full scale."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the device itself: kept and delivered like an event."""

    id: UUID
    what: NoticeKind
    utc: datetime
    """By this machine's clock."""
    detail: str
    """A sentence for people."""
    recording: str = ""
    """Id of the recording that it is about, if any."""
    amount: float | None = None
    """A number whose unit `what` decides."""


def night_of_local_time(local: datetime) -> date:
    """Return the date of the night that contains a moment, given as local time with or without a time zone.

    A night lasts from noon to noon and has the date of its first noon.
    """
    return (local.replace(tzinfo=None) - timedelta(hours=12)).date()


def event_id(recording: str, onset_sample: int, label: str, model_sha256: str) -> UUID:
    """Derive an event's identity from what was heard, where, and by which model."""
    return uuid5(NAMESPACE, f"event/{recording}/{onset_sample}/{label}/{model_sha256}")


def effort_id(recording: str, first_sample: int, state: EffortState, model_sha256: str) -> UUID:
    """Derive the identity of a stretch of effort, so that it cannot be counted twice."""
    return uuid5(NAMESPACE, f"effort/{recording}/{first_sample}/{state}/{model_sha256}")


def unreadable_id(journal: UUID, name: str, size: int, mtime_ns: int, reason: str) -> UUID:
    """Derive the identity of the notice that a file could not be analysed, so that each scan finds the same one.

    An empty file has no content to be known by, and two recorders of one schedule leave two of one name and time: so
    the journal is part of it.
    """
    return uuid5(NAMESPACE, f"unreadable/{journal}/{name}/{size}/{mtime_ns}/{reason}")
