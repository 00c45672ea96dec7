"""Where the stages meet: a sound goes in, events and effort come out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from anura_edge.audio import AudioChunk, FloatArray, Recording, Sound
from anura_edge.bundle import Bundle
from anura_edge.detector import Detector
from anura_edge.effort import EffortLedger, Stretch
from anura_edge.errors import UnreadableError
from anura_edge.events import Call, Effort, EffortState, Event, effort_id, event_id

EFFORT_EVERY_S = 60.0
"""A microphone accounts for itself this often; a file once, at its end."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What became known at one moment of a recording."""

    events: tuple[Event, ...] = ()
    efforts: tuple[Effort, ...] = ()
    broken_off: UnreadableError | None = None
    """Why the recording ended before its end, in the last one only."""


def listen(sound: Sound, detector: Detector, channel: int | Literal["loudest"]) -> Iterator[Heard]:
    """Hear a sound to its end, and say what was in it and how much of it was heard."""
    account = _Account(sound.recording, detector.bundle)
    detector.begin(sound.recording.rate_hz)
    broken_off = None
    try:
        for chunk in sound.chunks():
            if chunk.first_sample > account.position:  # audio was lost: what follows is another stretch
                yield account.report(detector.end())
                account.skip_to(chunk.first_sample)
                detector.begin(sound.recording.rate_hz)
            calls = detector.feed(account.mono(chunk, channel))
            account.advance(chunk)
            yield account.report(calls)
    except UnreadableError as error:
        broken_off = error
    yield account.close(detector.end(), broken_off)


class _Account:
    """Where we are in a recording, and what is known of it so far."""

    def __init__(self, recording: Recording, bundle: Bundle) -> None:
        self._recording, self._bundle = recording, bundle
        self._ledger = EffortLedger()
        self._segment_start = 0
        self._channel: int | None = None

    @property
    def position(self) -> int:
        """Everything before this sample is accounted for."""
        return self._ledger.end_sample

    def skip_to(self, sample: int) -> None:
        """Note that the audio up to here was lost, and begin a new contiguous stretch."""
        self._ledger.add(EffortState.DROPPED, sample)
        self._segment_start = sample

    def advance(self, chunk: AudioChunk) -> None:
        """Note that a chunk was analysed."""
        self._ledger.add(EffortState.ANALYSED, chunk.end_sample)

    def mono(self, chunk: AudioChunk, channel: int | Literal["loudest"]) -> FloatArray:
        """Return the channel to analyse, chosen once for the whole recording."""
        if self._channel is None:
            levels = np.square(_in_range(chunk.samples)).mean(axis=0)
            self._channel = int(levels.argmax()) if channel == "loudest" else min(channel, len(levels) - 1)
        return _in_range(np.ascontiguousarray(chunk.samples[:, self._channel]))

    def report(self, calls: Iterable[Call]) -> Heard:
        """Give calls their names and times; now and then, account for a microphone's audio so far."""
        recording = self._recording
        due = recording.samples is None and self._ledger.open_samples >= EFFORT_EVERY_S * recording.rate_hz
        return Heard(tuple(map(self._event, calls)), self._efforts() if due else ())

    def close(self, calls: Iterable[Call], broken_off: UnreadableError | None) -> Heard:
        """Give the last calls their names and times, and close the books: what is still missing was unreadable."""
        events = tuple(map(self._event, calls))
        self._ledger.add(EffortState.UNREADABLE, self._recording.samples or 0)
        return Heard(events, self._efforts(), broken_off)

    def _efforts(self) -> tuple[Effort, ...]:
        return tuple(self._effort(stretch) for stretch in self._ledger.take())

    def _event(self, call: Call) -> Event:
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

    def _effort(self, stretch: Stretch) -> Effort:
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


def _in_range(samples: FloatArray) -> FloatArray:
    """Float files can hold NaN, which a recurrent state would never forget, and values whose square is infinite."""
    return samples if np.abs(samples).max(initial=0) <= 1 else np.nan_to_num(samples).clip(-1, 1)
