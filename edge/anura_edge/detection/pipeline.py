"""Where the stages meet: a sound goes in, events and effort come out."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from anura_edge.audio import AudioChunk, AudioSource, FloatArray, Recording
from anura_edge.detection.detector import Detector
from anura_edge.detection.effort import EffortLedger, EffortSpan
from anura_edge.dsp.gating import PowerGate
from anura_edge.dsp.signal_quality import QualityMeter
from anura_edge.errors import UnreadableError
from anura_edge.events import Detection, Effort, EffortState, Event, effort_id, event_id
from anura_edge.inference.bundle import Bundle

PROGRESS_EVERY_S = 60.0
"""A microphone says this often how far its sound is accounted for. The account itself is closed with each hour of UTC,
and when the clock is set; a file's at its end."""

CLOCK_SET = timedelta(seconds=0.5)
"""An anchor that moves further was not drift: what came before keeps the time that it had."""


@dataclass(frozen=True, slots=True)
class PipelineOutput:
    """What became known at one moment of a recording."""

    events: tuple[Event, ...] = ()
    efforts: tuple[Effort, ...] = ()
    progress: tuple[Effort, ...] | None = None
    """Now and then, all effort that is known but still grows, which a crash would otherwise leave unaccounted. The last
    one is empty: where the time begins in which nobody listens, if this was the end."""
    quality: tuple[tuple[EffortState, int], ...] = ()
    """How the audio sounds: state and samples of each frame that ended here."""
    read_error: UnreadableError | None = None
    """Why the recording ended before its end, in the last one only."""


def analyse(
    sound: AudioSource, detector: Detector, channel: int | Literal["loudest"], attention: PowerGate | None = None
) -> Iterator[PipelineOutput]:
    """Hear a sound to its end, or what `attention` lets pass of it, and say what was in it and how much was heard."""
    account = RecordingLedger(sound.recording, detector.bundle)
    ears = SegmentRunner(account, detector, attention)
    broken_off, come = None, 0
    try:
        for chunk in sound.chunks():
            account.time_by(sound.recording)
            if chunk.first_sample > come:  # audio was lost: what follows is another stretch
                ears.end()
                yield account.report()
                account.skip_to(chunk.first_sample)
            if len(chunk.samples):
                ears.hear(account.mono(chunk, channel), sound.recording.time_at(chunk.first_sample))
            come = chunk.end_sample
            yield account.report()
    except UnreadableError as error:
        broken_off = error
    ears.end()
    yield account.close(broken_off)


class SegmentRunner:
    """A detector that hears one contiguous stretch after another, and an account of that.

    A stretch that begins after others were left out begins as the first one does: the model remembers nothing.
    """

    def __init__(self, account: "RecordingLedger", detector: Detector, attention: PowerGate | None) -> None:
        self._account, self._detector, self._attention = account, detector, attention
        self._is_open = False

    def hear(self, mono: FloatArray, at: datetime) -> None:
        """Take the next mono samples, the first of which is of a moment."""
        if not self._attention:
            self._take(EffortState.ANALYSED, mono)
            return
        self._detector.set_block(self._attention.block_s)
        for state, part in self._attention.split(mono, at):
            self._take(state, part)

    def end(self) -> None:
        """End a contiguous stretch of sound."""
        for state, part in self._attention.end() if self._attention else ():
            self._take(state, part)
        self._shut()

    def _take(self, state: EffortState, part: FloatArray) -> None:
        if state != EffortState.ANALYSED:
            self._shut()
            self._account.advance(part, state)
            return
        if not self._is_open:
            self._is_open = True
            self._detector.begin(self._account.begin())
        calls = self._detector.feed(part)
        self._account.advance(part, state)
        self._account.note(calls)

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self._account.note(self._detector.end())


class RecordingLedger:
    """Where we are in a recording, and what is known of it so far."""

    def __init__(self, recording: Recording, bundle: Bundle) -> None:
        self._recording, self._bundle = recording, bundle
        self._is_live = recording.samples is None
        self._ledger = EffortLedger()
        self._check = QualityMeter(recording.rate_hz)
        self._state = EffortState.ANALYSED
        self._judged: list[tuple[EffortState, int]] = []
        self._events: list[Event] = []
        self._due: list[Effort] = []
        self._progress_at = -math.inf
        self._segment_start = 0
        self._channel: int | None = None
        self.position = 0
        """Everything before this sample was heard, left out or lost."""

    def time_by(self, recording: Recording) -> None:
        """Follow the clock: what comes is timed by it, and so is what has not been reported, unless it was set."""
        was_set = abs(recording.start_utc - self._recording.start_utc) > CLOCK_SET
        if recording.clock_source != self._recording.clock_source:
            self._progress_at = -math.inf  # what was noted so far has the wrong time
        elif was_set:
            self._due += self._named(self._ledger.take())
        self._recording = recording

    def skip_to(self, sample: int) -> None:
        """Note that the audio up to here was lost."""
        self._judge(self._check.end())
        self._add(EffortState.DROPPED, sample)
        self.position = sample

    def begin(self) -> int:
        """Begin a stretch that is heard, and return its rate in Hz: calls count their samples from here."""
        self._segment_start = self.position
        return self._recording.rate_hz

    def advance(self, mono: FloatArray, state: EffortState) -> None:
        """Note that samples were analysed, or left out: of those only what was paused is not looked at at all."""
        if state != self._state:
            self._judge(self._check.end())
            self._state = state
        self.position += len(mono)
        if state == EffortState.PAUSED:
            self._add(state, self.position)
        else:
            self._judge(self._check.feed(mono))

    def note(self, calls: Iterable[Detection]) -> None:
        """Give calls of the stretch their names and times."""
        self._events += map(self._event, calls)

    def mono(self, chunk: AudioChunk, channel: int | Literal["loudest"]) -> FloatArray:
        """Return the channel to analyse, chosen once for the whole recording."""
        if self._channel is None:
            self._channel = chunk.choose_channel(channel)
        return chunk.channel(self._channel)

    def report(self) -> PipelineOutput:
        """Say what is now known and accounted for."""
        events, self._events = tuple(self._events), []
        due, self._due = tuple(self._due), []
        judged, self._judged = tuple(self._judged), []
        is_time = self.position - self._progress_at >= PROGRESS_EVERY_S * self._recording.rate_hz
        progress = None
        if self._is_live and (due or is_time):
            self._progress_at = self.position
            end = EffortSpan(EffortState.OFF, self._ledger.end_sample, samples=0)
            progress = self._named([*self._ledger.peek(), end])
        return PipelineOutput(events, due, progress, judged)

    def close(self, broken_off: UnreadableError | None) -> PipelineOutput:
        """Close the books: what is still missing was unreadable."""
        self._judge(self._check.end())
        self._add(EffortState.UNREADABLE, self._recording.samples or 0)
        self._due += self._named(self._ledger.take())
        return replace(self.report(), read_error=broken_off)

    def _judge(self, frames: Iterable[tuple[EffortState, int]]) -> None:
        for found, samples in frames:
            # A flat line is a fault, heard or not; anything else says nothing of sound that was left out.
            state = found if found == EffortState.SILENT or self._state == EffortState.ANALYSED else self._state
            self._judged.append((state, samples))
            self._add(state, self._ledger.end_sample + samples)

    def _add(self, state: EffortState, until_sample: int) -> None:
        while self._is_live and (hour_end := self._hour_end(self._ledger.end_sample)) <= until_sample:
            self._ledger.add(state, hour_end)
            self._due += self._named(self._ledger.take())
        self._ledger.add(state, until_sample)

    def _hour_end(self, sample: int) -> int:
        """Return the first sample of the hour of UTC after the one that a sample is in."""
        at = self._recording.time_at(sample)
        left_s = 3600 - (at - at.replace(minute=0, second=0, microsecond=0)).total_seconds()
        # Times are rounded to microseconds: the last of the old hour is the new one.
        return sample + math.ceil((left_s if left_s > 1e-3 else left_s + 3600) * self._recording.rate_hz)

    def _named(self, stretches: Iterable[EffortSpan]) -> tuple[Effort, ...]:
        return tuple(map(self._effort, stretches))

    def _event(self, call: Detection) -> Event:
        recording, manifest = self._recording, self._bundle.manifest
        label = manifest.labels[call.label]
        ratio = recording.rate_hz / manifest.rate_hz
        onset = self._segment_start + round(call.onset_sample * ratio)
        offset = min(self._segment_start + round(call.offset_sample * ratio), self.position)  # the last row is padded
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
            p_peak=call.p_peak,
            p_mean=call.p_mean,
            level_dbfs=call.level_dbfs,
        )

    def _effort(self, stretch: EffortSpan) -> Effort:
        recording = self._recording
        return Effort(
            id=effort_id(recording.id, stretch.first_sample, stretch.state, self._bundle.model_sha256),
            recording=recording.id,
            recording_name=recording.name,
            state=stretch.state,
            first_sample=stretch.first_sample,
            samples=stretch.samples,
            rate_hz=recording.rate_hz,
            start_utc=recording.time_at(stretch.first_sample),
            clock_source=recording.clock_source,
        )
