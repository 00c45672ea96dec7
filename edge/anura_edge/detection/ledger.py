"""Collects the results of one recording: its events with id and time, and the effort of every sample."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from anura_edge.audio import AudioChunk, FloatArray, Recording, level_dbfs
from anura_edge.detection.effort import EffortLedger, EffortSpan
from anura_edge.detection.season import can_occur
from anura_edge.dsp.signal_quality import QualityMeter, QualityPeriod
from anura_edge.errors import UnreadableError
from anura_edge.events import Detection, Effort, EffortState, Event, effort_id, event_id
from anura_edge.inference.bundle import Bundle

PROGRESS_INTERVAL_S = 60.0
"""A microphone reports its open effort at this interval. Its effort is closed at each full hour of UTC and when the
clock is set; the effort of a file is closed at its end."""

CLOCK_SET = timedelta(seconds=0.5)
"""A start time that moves further than this was set, not corrected for drift: older effort keeps its time."""


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """Events and effort that one step of the analysis produced."""

    events: tuple[Event, ...] = ()
    efforts: tuple[Effort, ...] = ()
    """Closed effort: its length does not change any more."""
    progress: tuple[Effort, ...] | None = None
    """All effort that is still open, with each event and at intervals. A crash would lose it otherwise. The last one
    has no samples: it marks where the device is off if it stops now."""
    quality: tuple[QualityPeriod, ...] = ()
    """Each quality period that ended."""
    read_error: UnreadableError | None = None
    """Why the recording ended early. Only in the last output."""


class RecordingLedger:
    """Collects events and effort of a recording until they are taken."""

    def __init__(self, recording: Recording, bundle: Bundle, min_range_score: float = 0.0) -> None:
        """Leave out events of labels whose range score in the week of the event is below `min_range_score`."""
        self._recording, self._bundle, self._min_range_score = recording, bundle, min_range_score
        self._labels = {label.code: label for label in bundle.manifest.labels}
        self._is_live = recording.samples is None
        self._effort = EffortLedger()
        self._meter = QualityMeter(recording.rate_hz)
        self._state = EffortState.ANALYSED
        self._quality: list[QualityPeriod] = []
        self._events: list[Event] = []
        self._closed: list[Effort] = []
        self._progress_sample = -math.inf
        self._segment_start = 0
        self._channel: int | None = None
        self.position = 0
        """Everything before this sample was analysed, left out or lost."""

    def set_recording(self, recording: Recording) -> None:
        """Use the recording's new start time for open and later effort. If the clock was set, close open effort first.

        A start time that becomes known corrects open effort, too.
        """
        was_set = abs(recording.start_utc - self._recording.start_utc) > CLOCK_SET
        if recording.clock_source != self._recording.clock_source:
            self._progress_sample = -math.inf  # the progress that was reported has the wrong time
        elif was_set:
            self._close_open_effort()
        self._recording = recording

    def skip_to(self, sample: int) -> None:
        """Count the audio from `position` to a sample as lost (`dropped`)."""
        self._add_quality(self._meter.end())
        self._add_effort(EffortState.DROPPED, sample)
        self.position = sample

    def begin_segment(self) -> int:
        """Begin an analysed segment at the current position. Return its sampling rate in Hz."""
        self._segment_start = self.position
        return self._recording.rate_hz

    def add_audio(self, mono: FloatArray, state: EffortState) -> None:
        """Count mono samples as analysed or left out. The quality of paused audio is not measured."""
        if state != self._state:
            self._add_quality(self._meter.end())
            self._state = state
        self.position += len(mono)
        if state == EffortState.PAUSED:
            self._add_effort(state, self.position)
        else:
            self._add_quality(self._meter.feed(mono))

    def add_detections(self, detections: Iterable[Detection]) -> None:
        """Make events of detections in the current segment."""
        self._events += filter(self._can_occur, map(self._event, detections))

    def _can_occur(self, event: Event) -> bool:
        return can_occur(self._labels[event.label], event.start_utc, event.clock_source, self._min_range_score)

    def choose_channel(self, chunk: AudioChunk, channel: int | Literal["loudest"]) -> FloatArray:
        """Return the channel to analyse. The first chunk decides it for the whole recording."""
        if self._channel is None:
            self._channel = chunk.choose_channel(channel)
        return chunk.channel(self._channel)

    def take_output(self) -> PipelineOutput:
        """Return what became known since the last call."""
        events, self._events = tuple(self._events), []
        closed, self._closed = tuple(self._closed), []
        quality, self._quality = tuple(self._quality), []
        is_due = self.position - self._progress_sample >= PROGRESS_INTERVAL_S * self._recording.rate_hz
        progress = None
        # With each event, so that a crash leaves no event outside the effort. The quality of the last audio is open.
        if self._is_live and (closed or events or is_due):
            self._progress_sample = self.position
            end = EffortSpan(EffortState.OFF, self.position, samples=0)
            progress = tuple(map(self._effort_row, [*self._effort.peek(self._state, self.position), end]))
        return PipelineOutput(events, closed, progress, quality)

    def close(self, read_error: UnreadableError | None) -> PipelineOutput:
        """Close all effort and return the last output. Samples that are missing at the end were unreadable."""
        self._add_quality(self._meter.end())
        self._add_effort(EffortState.UNREADABLE, self._recording.samples or 0)
        self._close_open_effort()
        return replace(self.take_output(), read_error=read_error)

    def _add_quality(self, periods: Iterable[QualityPeriod]) -> None:
        for period in periods:
            # Silence is a fault of the microphone, analysed or not. Clipping matters only in analysed audio.
            is_valid = period.state == EffortState.SILENT or self._state == EffortState.ANALYSED
            state = period.state if is_valid else self._state
            self._quality.append(replace(period, state=state))
            self._add_effort(state, self._effort.end_sample + period.samples, period.energy)

    def _add_effort(self, state: EffortState, until_sample: int, energy: float | None = None) -> None:
        while self._is_live and (hour_end := self._hour_end(start := self._effort.end_sample)) <= until_sample:
            before = None if energy is None else energy * (hour_end - start) / (until_sample - start)
            self._effort.add(state, hour_end, before)
            self._close_open_effort()
            energy = None if energy is None or before is None else energy - before
        self._effort.add(state, until_sample, energy)

    def _close_open_effort(self) -> None:
        self._closed += map(self._effort_row, self._effort.take())

    def _hour_end(self, sample: int) -> int:
        """Return the first sample of the next full hour of UTC."""
        time = self._recording.time_at(sample)
        left_s = 3600 - (time - time.replace(minute=0, second=0, microsecond=0)).total_seconds()
        # Times are rounded to microseconds: the last sample of an hour counts as the first of the next one.
        return sample + math.ceil((left_s if left_s > 1e-3 else left_s + 3600) * self._recording.rate_hz)

    def _event(self, detection: Detection) -> Event:
        recording, manifest = self._recording, self._bundle.manifest
        label = manifest.labels[detection.label]
        ratio = recording.rate_hz / manifest.rate_hz
        onset = self._segment_start + round(detection.onset_sample * ratio)
        # The last frame is padded, so a detection may end after the audio.
        offset = max(onset, min(self._segment_start + round(detection.offset_sample * ratio), self.position))
        return Event(
            id=event_id(recording.id, onset, label.code, self._bundle.model_sha256),
            label=label.code,
            scientific_name=label.scientific_name,
            recording=recording.id,
            recording_name=recording.name,
            onset_sample=onset,
            offset_sample=offset,
            rate_hz=recording.rate_hz,
            start_utc=recording.time_at(onset),
            end_utc=recording.time_at(offset),
            clock_source=recording.clock_source,
            p_peak=detection.p_peak,
            p_mean=detection.p_mean,
            level_dbfs=detection.level_dbfs,
            channel=self._channel,
            common_name=label.common_name,
            is_reliable=label.is_reliable,
        )

    def _effort_row(self, span: EffortSpan) -> Effort:
        recording = self._recording
        return Effort(
            id=effort_id(recording.id, span.first_sample, span.state, self._bundle.model_sha256),
            recording=recording.id,
            recording_name=recording.name,
            state=span.state,
            first_sample=span.first_sample,
            samples=span.samples,
            rate_hz=recording.rate_hz,
            start_utc=recording.time_at(span.first_sample),
            clock_source=recording.clock_source,
            level_dbfs=None if span.energy is None else round(level_dbfs(span.energy / span.samples), 2),
        )
