"""Values of the analysis: scores, detections, events, effort and notices, and their ids."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from anura_edge.audio import ClockSource, FloatArray

NAMESPACE = UUID("6f2f4dfc-52a5-5f0e-9d5c-6a0a3f6c7f0e")
"""The UUIDv5 namespace of every id that anura-edge derives from content (RFC 9562, section 5.5). It never changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """A model's output for a block of audio: the probabilities of all labels in each frame."""

    probabilities: FloatArray
    """Shape (frames, labels), float32, 0 to 1."""

    power: FloatArray
    """Shape (frames,), float32: mean square of each frame's audio. A full-scale sine has 0.5."""

    first_sample: int
    """Start of frame 0, counted from the start of the stream at the model's rate."""

    hop_samples: int
    """Samples from the start of one frame to the start of the next."""

    frame_samples: int
    """Samples that a frame describes: `hop_samples` for a stream model, the window for a window model."""


@dataclass(frozen=True, slots=True)
class Detection:
    """An event before it has a name and a time. Samples are at the model's rate."""

    label: int
    """Index into the model's labels."""

    onset_sample: int
    offset_sample: int

    p_peak: float
    """Highest score of its frames."""

    p_mean: float
    """Mean score of its frames, merged gaps included."""

    level_dbfs: float
    """Level of the audio from onset to offset, 10 log10 of the mean square. A full-scale sine has -3.0."""


@dataclass(frozen=True, slots=True)
class Event:
    """A detection with a label, a time and an identity. It is stored, sent and counted."""

    id: UUID
    """Derived from content (see `event_id`): a second analysis of a recording with the same model gives equal ids."""

    label: str
    """The label's code in the model, as in `PSECRU`."""

    scientific_name: str

    recording: str
    """Id of the recording that contains it."""

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
    channel: int | None = None
    """The channel of the recording that was analysed, counted from 0. None if it is unknown."""
    common_name: str = ""
    """The common name of the species, if the model has one."""
    is_reliable: bool = True
    """Whether the precision of the label's threshold was measured; see the manifest."""


class EffortState(StrEnum):
    """State of a span of audio. Each recorded sample is counted in exactly one state."""

    ANALYSED = "analysed"
    DROPPED = "dropped"
    """Lost before the analysis: a buffer overflow, or a machine that is too slow."""
    UNREADABLE = "unreadable"
    """The file's header declares it, but it cannot be decoded."""
    SILENT = "silent"
    """The samples are equal, but for the last bit: the microphone is broken or disconnected."""
    CLIPPED = "clipped"
    """Analysed, but so much is at full scale that a call may not be recognised."""
    PAUSED = "paused"
    """Left out by a duty cycle, or because the battery is low."""
    GATED = "gated"
    """Left out because it was too quiet for a frog, by the settings of `energy.gate`."""
    OFF = "off"
    """Between two recordings of a microphone: the program did not run, or ended before it could account for the audio.
    It is counted in the earlier recording, as if that went on."""


@dataclass(frozen=True, slots=True)
class Effort:
    """A span of a recording and its state. Only with effort, the absence of a frog is data."""

    id: UUID
    recording: str
    recording_name: str
    state: EffortState
    first_sample: int
    samples: int
    rate_hz: int
    start_utc: datetime
    clock_source: ClockSource
    level_dbfs: float | None = None
    """Mean level, 10 log10 of the mean square; a full-scale sine has -3.0. None if it was not measured."""

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.samples / self.rate_hz


class Verdict(StrEnum):
    """A person's verdict on an event."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    """No frog calls there."""
    RELABELLED = "relabelled"
    """Another species calls there."""
    UNDONE = "undone"


class NoticeKind(StrEnum):
    """What happened to the device. A reader of its events must know it."""

    UNREADABLE = "unreadable"
    """A file could not be analysed. The detail begins with the reason, the amount is its size in bytes."""
    WITHDRAWN = "withdrawn"
    """The analyses in `replaces` are no longer valid. The recording was analysed again with other settings, or only a
    part of it was there before."""
    MICROPHONE_LOST = "microphone_lost"
    MICROPHONE_BACK = "microphone_back"
    """The amount is the length of the gap in seconds."""
    CLOCK_STEP = "clock_step"
    """The system clock was set. The amount is how many seconds it moved forward."""
    CLOCK_KNOWN = "clock_known"
    """The time became known after the recording began. Add the amount, in seconds, to the times of its rows whose clock
    source is `unknown`."""
    ROWS_DROPPED = "rows_dropped"
    """Rows were deleted before they were delivered. The amount is their number."""
    ROW_REFUSED = "row_refused"
    """A row became a dead letter, because the broker or the base station refused it."""
    JOURNAL_SALVAGED = "journal_salvaged"
    """The journal was damaged. It was moved aside, and its readable rows were copied into a new one."""
    DISK_LOW = "disk_low"
    """The amount is the free space in bytes."""
    ENERGY = "energy"
    """What the device leaves out to save energy from now on. The amount is the battery's charge in percent, if the
    charge is the reason."""
    MODEL_REFUSED = "model_refused"
    """A model that was to be installed is not used, and why. The one before it is used."""
    CLIP_WITHHELD = "clip_withheld"
    """A clip of a microphone contains speech, so it is neither stored nor sent. The amount is its length in seconds."""
    SOUND_FAULT = "sound_fault"
    """The microphone delivers silence, or only full scale."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to the device itself. It is stored and delivered like an event."""

    id: UUID
    what: NoticeKind
    utc: datetime
    """By the clock of this machine."""
    detail: str
    """A sentence in plain text."""
    recording: str = ""
    """Id of the recording that it is about, if any."""
    amount: float | None = None
    """A number; `what` decides its unit."""
    replaced_by: str = ""
    """Of a withdrawal: id of the other recording that was analysed in place of `recording`. Empty if it is the same."""
    replaces: tuple[UUID, ...] = ()
    """Of a withdrawal: the analyses that are no longer valid."""
    analysis: UUID | None = None
    """Of a withdrawal: the analysis that replaces them."""


def night_of_local_time(local: datetime) -> date:
    """Return the date of the night that contains a moment, given as local time with or without a time zone.

    A night lasts from noon to noon and has the date of its first noon.
    """
    return (local.replace(tzinfo=None) - timedelta(hours=12)).date()


def event_id(recording: str, onset_sample: int, label: str, model_sha256: str) -> UUID:
    """Derive an event's id from recording, onset, label and model."""
    return uuid5(NAMESPACE, f"event/{recording}/{onset_sample}/{label}/{model_sha256}")


def effort_id(recording: str, first_sample: int, state: EffortState, model_sha256: str) -> UUID:
    """Derive the id of a piece of effort, so that it cannot be counted twice."""
    return uuid5(NAMESPACE, f"effort/{recording}/{first_sample}/{state}/{model_sha256}")


def default_analysis_id(recording: str, model_sha256: str) -> UUID:
    """Derive the id of the analysis of a microphone's session, whose recording has a random id.

    Rows of early versions, which stored no analysis, have this one, too.
    """
    return uuid5(NAMESPACE, f"analysis/{recording}/{model_sha256}")


def unreadable_id(journal: UUID, name: str, size: int, mtime_ns: int, reason: str) -> UUID:
    """Derive the id of the notice about an unreadable file, so that each scan finds the same one.

    The journal is part of it: an empty file has no content to identify it, and two recorders with one schedule write
    files of equal names and times.
    """
    return uuid5(NAMESPACE, f"unreadable/{journal}/{name}/{size}/{mtime_ns}/{reason}")
