"""Record clips around the events of a microphone, without delaying the analysis."""

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
from anura_edge.clips.voice import VoiceFilter
from anura_edge.config.operation import ClipSettings
from anura_edge.dsp.ring_buffer import RingBuffer
from anura_edge.wire import EventRow

log = logging.getLogger(__name__)

MAX_QUEUED_CLIPS = 4
"""Clips that wait for the disk. At 15 s and 48 kHz each takes 1.4 MB of memory."""

MAX_DELAY_S = 15.0
"""Longest time from an event's end to its report: the tracker merges gaps, and audio is scored in blocks."""

MAX_CALL_S = 120.0
"""An event that is reported later than this after its onset gets no clip: 2 minutes at 48 kHz take 13 MB of memory."""


@dataclass(slots=True)
class _OpenClip:
    """A clip whose audio is not complete yet."""

    first: int
    last: int
    events: list[EventRow]


@dataclass(frozen=True, slots=True, eq=False)
class _QueuedClip:
    """A clip that waits for the disk."""

    samples: NDArray[np.int16]
    first_sample: int
    events: list[EventRow]


class ClipWriter:
    """Keeps the recent audio, cuts clips from it, and writes them in its own thread."""

    def __init__(
        self,
        settings: ClipSettings,
        store: ClipStore,
        max_call_s: float,
        add_to_index: Callable[[str, int, list[EventRow]], None] = lambda *_: None,
        voice: VoiceFilter | None = None,
        on_withheld: Callable[[list[EventRow], float], None] = lambda *_: None,
    ) -> None:
        """`add_to_index` is called with a clip's name, first sample and events before the clip is written.

        With `voice`, clips with speech are not written: `on_withheld` gets their events and their length in seconds.
        """
        self._settings, self.store, self._add_to_index = settings, store, add_to_index
        self._voice, self._on_withheld = voice, on_withheld
        self._memory_s = settings.before_s + min(max_call_s, MAX_CALL_S) + MAX_DELAY_S
        self._lock = Lock()  # an event for which the journal had no room comes later, from another thread
        self._recording = ""
        self._open: list[_OpenClip] = []
        self._queue: Queue[_QueuedClip | None] = Queue(MAX_QUEUED_CLIPS)
        self._thread = Thread(target=self._write_all, name="clips", daemon=True)
        self.is_paused = False
        """Set while the disk is low: no clip is written."""
        self.saved = 0
        self.dropped = 0
        """Clips that were lost because the disk was too slow or full."""
        self.withheld = 0
        """Clips that were not saved because they contain speech."""

    def start(self) -> None:
        """Start the thread that writes clips."""
        self._thread.start()

    def stop(self) -> None:
        """Write all clips with the audio that exists, and end the thread."""
        with self._lock:
            self._cut(math.inf)
        self._queue.put(None)  # after the clips that wait
        self._thread.join()

    def tap(self, source: AudioSource, channel: int) -> AudioSource:
        """Return the same source. One channel of its audio is copied into the recorder when it is read."""
        return _TappedSource(source, self, channel)

    def begin_recording(self, recording: Recording) -> None:
        """Cut the clips of the recording before, and start with another one."""
        with self._lock:
            self._cut(math.inf)
            self._recording = recording.id
            self._recent = RingBuffer(round(self._memory_s * recording.rate_hz), np.int16)

    def write(self, samples: FloatArray, first_sample: int) -> None:
        """Store the next mono samples, shape (n,)."""
        with self._lock:
            self._recent.write_at(first_sample, to_pcm16(samples))
            self._cut(self._recent.end)

    def add_event(self, event: EventRow) -> None:
        """Save a clip with this event. Events whose clips overlap share one."""
        with self._lock:
            if event.recording == self._recording:
                self._open_or_extend(event)

    def _open_or_extend(self, event: EventRow) -> None:
        first, last = self._settings.bounds(event.onset_sample, event.offset_sample, event.rate_hz)
        max_samples = round(self._settings.max_s * event.rate_hz)
        for clip in self._open:
            begin, end = min(first, clip.first), max(last, clip.last)
            if first < clip.last and clip.first < last and end - begin <= max_samples:
                clip.first, clip.last = begin, end
                clip.events.append(event)
                return
        self._open.append(_OpenClip(first, last, [event]))

    def _cut(self, until: float) -> None:
        for clip in [clip for clip in self._open if clip.last <= until]:
            self._open.remove(clip)
            first = max(clip.first, self._recent.start)
            # A copy, because a thread encodes it while new samples are written.
            samples = self._recent.read(first, max(first, min(clip.last, self._recent.end))).copy()
            try:
                if len(samples):  # none, if the event was reported very late because the journal had no room
                    self._queue.put_nowait(_QueuedClip(samples, first, clip.events))
            except Full:  # a slow disk must not stop the analysis
                self.dropped += 1

    def _write_all(self) -> None:
        is_failing = False
        while clip := self._queue.get():
            if self.is_paused:
                self.dropped += 1
                continue
            try:
                self._write(clip)
                is_failing = False
            except Exception as error:  # any error: without this thread no more clips are saved
                self.dropped += 1
                if not is_failing:
                    log.warning("cannot save a clip: %s", str(error) or repr(error))
                is_failing = True

    def _write(self, queued: _QueuedClip) -> None:
        event = queued.events[0]
        if self._voice and self._voice.has_speech(queued.samples, event.rate_hz):
            self.withheld += 1
            self._on_withheld(queued.events, len(queued.samples) / event.rate_hz)
            return
        utc = event.start_utc - timedelta(seconds=(event.onset_sample - queued.first_sample) / event.rate_hz)
        clip = make_clip(utc, [(event.label, event.p_peak) for event in queued.events])
        if self.store.should_keep(clip):
            self._add_to_index(clip.name, queued.first_sample, queued.events)
            self.store.add(clip, to_flac(queued.samples, event.rate_hz))
            self.saved += 1


class _TappedSource:
    """An audio source whose chunks are also written to a clip recorder."""

    def __init__(self, source: AudioSource, recorder: ClipWriter, channel: int) -> None:
        self._source, self._recorder, self._channel = source, recorder, channel

    @property
    def recording(self) -> Recording:
        """The recording of the source."""
        return self._source.recording

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield the chunks of the source."""
        self._recorder.begin_recording(self.recording)
        for chunk in self._source.chunks():
            channel = chunk.choose_channel(self._channel)
            self._recorder.write(chunk.channel(channel), chunk.first_sample)
            yield chunk
