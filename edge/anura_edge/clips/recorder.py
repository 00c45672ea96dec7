"""Saves the audio around what a microphone heard, and never holds up the hearing."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from queue import Full, Queue
from threading import Lock, Thread

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import AudioChunk, AudioSource, FloatArray, Recording, to_pcm16
from anura_edge.clips.ranking import make_clip
from anura_edge.clips.store import ClipStore, to_flac
from anura_edge.config.operation import ClipSettings
from anura_edge.wire import EventRow

log = logging.getLogger(__name__)

MAX_WAITING = 4
"""Clips that wait for the disk; at 15 s and 48 kHz each takes 1.4 MB of memory."""

LATENESS_S = 15.0
"""A call is known this long after its end at the latest: pauses are merged into it, and audio is scored in blocks."""


MAX_CALL_S = 120.0
"""Of a call that is reported later than this after its onset no clip is saved: at 48 kHz these 2 minutes take 13 MB."""


class RecentAudio:
    """The last `capacity` samples of a recording, as 16 bits."""

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.int16)
        self.end = 0
        """The position just after the newest sample."""

    @property
    def start(self) -> int:
        """The position of the oldest sample that is still there."""
        return max(0, self.end - len(self._samples))

    def write(self, samples: FloatArray, first_sample: int) -> None:
        """Append mono samples, shape (n,); what was lost before them becomes silence."""
        lost = min(max(0, first_sample - self.end), len(self._samples))
        self.end = first_sample - lost
        self._put(np.zeros(lost, np.int16))
        self._put(to_pcm16(samples))

    def _put(self, samples: NDArray[np.int16]) -> None:
        self._samples[(self.end + np.arange(len(samples))) % len(self._samples)] = samples
        self.end += len(samples)

    def read(self, first: int, last: int) -> NDArray[np.int16]:
        """Copy what is still there of a stretch."""
        first, last = max(first, self.start), min(last, self.end)
        return self._samples[np.arange(first, last) % len(self._samples)]


@dataclass(slots=True)
class _Stretch:
    """Audio that is to be saved once all of it has come."""

    first: int
    last: int
    events: list[EventRow]


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """Audio that waits for the disk."""

    samples: NDArray[np.int16]
    first_sample: int
    events: list[EventRow]


class ClipRecorder:
    """Listens along, and has clips written by a thread of its own."""

    def __init__(
        self,
        settings: ClipSettings,
        store: ClipStore,
        max_call_s: float,
        note: Callable[[str, int, list[EventRow]], None] = lambda *_: None,
    ) -> None:
        """`note` is told a clip's name, its first sample and its calls before it is saved."""
        self._settings, self.store, self._note = settings, store, note
        self._memory_s = settings.before_s + min(max_call_s, MAX_CALL_S) + LATENESS_S
        self._lock = Lock()  # an event that the journal had no room for at first comes from another thread
        self._recording = ""
        self._open: list[_Stretch] = []
        self._queue: Queue[_Cut | None] = Queue(MAX_WAITING)
        self._thread = Thread(target=self._write_all, name="clips", daemon=True)
        self.is_paused = False
        """Set while the disk is low: nothing is saved."""
        self.saved = 0
        self.dropped = 0
        """Clips that the disk was too slow or too full for."""

    def start(self) -> None:
        """Begin to write what is cut."""
        self._thread.start()

    def stop(self) -> None:
        """Save what is still open with the audio that there is, and end."""
        with self._lock:
            self._cut(math.inf)
        self._queue.put(None)  # what waits is written first
        self._thread.join()

    def tap(self, sound: AudioSource, channel: int) -> AudioSource:
        """Return the same sound, one channel of which is remembered for a while as it goes by."""
        return _Tapped(sound, self, channel)

    def begin_recording(self, sound: Recording) -> None:
        """Begin to listen to another recording."""
        with self._lock:
            self._cut(math.inf)
            self._recording = sound.id
            self._recent = RecentAudio(round(self._memory_s * sound.rate_hz))

    def write(self, samples: FloatArray, first_sample: int) -> None:
        """Take the next mono samples, shape (n,)."""
        with self._lock:
            self._recent.write(samples, first_sample)
            self._cut(self._recent.end)

    def add_event(self, event: EventRow) -> None:
        """Have the audio around an event saved, in one clip with those that overlap it."""
        with self._lock:
            if event.recording == self._recording:
                self._open_or_extend(event)

    def _open_or_extend(self, event: EventRow) -> None:
        longest = round(self._settings.max_s * event.rate_hz)
        first = max(0, event.onset_sample - round(self._settings.before_s * event.rate_hz))
        last = min(event.offset_sample + round(self._settings.after_s * event.rate_hz), first + longest)
        for stretch in self._open:
            begin, end = min(first, stretch.first), max(last, stretch.last)
            if first < stretch.last and stretch.first < last and end - begin <= longest:
                stretch.first, stretch.last = begin, end
                stretch.events.append(event)
                return
        self._open.append(_Stretch(first, last, [event]))

    def _cut(self, until: float) -> None:
        for stretch in [stretch for stretch in self._open if stretch.last <= until]:
            self._open.remove(stretch)
            cut = _Cut(
                self._recent.read(stretch.first, stretch.last), max(stretch.first, self._recent.start), stretch.events
            )
            try:
                if len(cut.samples):  # of a call that the journal had no room for until now, nothing may be left
                    self._queue.put_nowait(cut)
            except Full:  # a slow disk costs clips, never sound
                self.dropped += 1

    def _write_all(self) -> None:
        is_failing = False
        while cut := self._queue.get():
            if self.is_paused:
                self.dropped += 1
                continue
            try:
                self._write(cut)
                is_failing = False
            except Exception as error:  # whatever it is: without this thread no clip is saved ever again
                self.dropped += 1
                if not is_failing:
                    log.warning("cannot save audio: %s", str(error) or repr(error))
                is_failing = True

    def _write(self, cut: _Cut) -> None:
        event = cut.events[0]
        utc = event.start_utc - timedelta(seconds=(event.onset_sample - cut.first_sample) / event.rate_hz)
        clip = make_clip(utc, [(event.label, event.p_peak) for event in cut.events])
        if self.store.should_keep(clip):
            self._note(clip.name, cut.first_sample, cut.events)
            self.store.add(clip, to_flac(cut.samples, event.rate_hz))
            self.saved += 1


class _Tapped:
    """A sound that a recorder listens to, too."""

    def __init__(self, sound: AudioSource, recorder: ClipRecorder, channel: int) -> None:
        self._sound, self._recorder, self._channel = sound, recorder, channel

    @property
    def recording(self) -> Recording:
        """The sound's own."""
        return self._sound.recording

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the sound's own."""
        self._recorder.begin_recording(self.recording)
        for chunk in self._sound.chunks():
            channel = min(self._channel, chunk.samples.shape[1] - 1)
            self._recorder.write(chunk.channel(channel), chunk.first_sample)
            yield chunk
