"""Heartbeats of the device's stages, and the speed of the model.

A device is healthy if the model ran on new audio a short time ago. A process that exists may still be hung.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from threading import Lock

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.dsp.framer import AudioBlock
from anura_edge.events import Detection, Scores
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier

SPEED_WINDOW_MIN = 5
"""The real-time factor covers the last minutes, this many."""


class Stage(StrEnum):
    """A stage that sends heartbeats."""

    INPUT = "input"
    """A microphone gives audio, a folder is scanned, or a file is read."""
    MODEL = "model"
    """The model scores a block."""
    DELIVERY = "delivery"
    """Rows are sent, or the connection to the broker is tried again. An unreachable broker is no hang."""


class Heartbeats:
    """The last heartbeat of each stage, and counters of their work. Threads may share it."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Treat a stage as hung when its next heartbeat is more than `timeout_s` late."""
        self._timeout_s, self._clock = timeout_s, clock
        self._lock = Lock()
        self._deadlines_s: dict[tuple[Stage, int], float] = {}
        self._sample_at_s: float | None = None
        self._inference_at_s: float | None = None
        self._minutes: deque[tuple[int, float, float]] = deque(maxlen=SPEED_WINDOW_MIN)
        """For each minute: its number, seconds of audio, seconds of work."""
        self.is_live = False
        """Whether the source is a microphone, so that audio should arrive without a pause."""
        self.overflows = 0
        """How often the microphone's driver reported lost audio."""
        self.drift_ppm: float | None = None
        """How much faster the microphone samples than its nominal rate, in parts per million; None until measured."""
        self.provider: str | None = None
        """The execution provider of the model."""
        self.overruns = 0
        """How often the model needed longer than the duration of the audio."""

    def record(self, stage: Stage, pause_s: float = 0.0, worker: int = 0) -> None:
        """Record a heartbeat. The next one may come `pause_s` later. Each worker of a stage has its own."""
        with self._lock:
            self._deadlines_s[stage, worker] = self._clock() + pause_s + self._timeout_s

    def remove(self, stage: Stage, worker: int = 0) -> None:
        """Expect no more heartbeats of a stage, or of one of its workers."""
        with self._lock:
            self._deadlines_s.pop((stage, worker), None)

    def overdue(self) -> list[Stage]:
        """Return the stages that have hung."""
        with self._lock:
            now_s = self._clock()
            overdue = {stage for (stage, _), deadline_s in self._deadlines_s.items() if deadline_s < now_s}
            return [stage for stage in Stage if stage in overdue]

    def record_input(self) -> None:
        """Record a heartbeat of the input: samples have arrived."""
        self._sample_at_s = self._clock()
        self.record(Stage.INPUT)

    def record_inference(self, audio_s: float, work_s: float) -> None:
        """Record that the model scored `audio_s` of audio in `work_s`."""
        self._inference_at_s = self._clock()
        minute = int(self._inference_at_s // 60)
        with self._lock:
            self.overruns += work_s > audio_s
            if self._minutes and self._minutes[-1][0] == minute:
                _, audio, work = self._minutes.pop()
                audio_s, work_s = audio_s + audio, work_s + work
            self._minutes.append((minute, audio_s, work_s))

    @property
    def since_sample_s(self) -> float | None:
        """Time since the last sample, or None before the first."""
        return None if self._sample_at_s is None else self._clock() - self._sample_at_s

    @property
    def since_inference_s(self) -> float | None:
        """Time since the model's last scores, or None before the first."""
        return None if self._inference_at_s is None else self._clock() - self._inference_at_s

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work for a second of audio, over the last minutes. Above 1 is too slow. None if idle."""
        oldest = self._clock() // 60 - SPEED_WINDOW_MIN
        with self._lock:
            recent = [(audio_s, work_s) for minute, audio_s, work_s in self._minutes if minute > oldest]
        audio_s, work_s = (sum(column) for column in zip(*recent, strict=True)) if recent else (0.0, 0.0)
        return work_s / audio_s if audio_s else None


class InstrumentedDetector(Detector):
    """A detector that records heartbeats while it works."""

    def __init__(
        self,
        heartbeats: Heartbeats,
        bundle: Bundle,
        classifier: Classifier,
        detect: DetectionSettings,
        block_s: float,
        *,
        is_live: bool = False,
    ) -> None:
        instrumented = _InstrumentedClassifier(heartbeats, classifier, bundle.manifest.rate_hz)
        super().__init__(bundle, instrumented, detect, block_s, is_live=is_live)
        self._heartbeats = heartbeats

    def feed(self, samples: FloatArray) -> Iterator[Detection]:
        """Analyse the next mono samples of the segment, shape (n,)."""
        self._heartbeats.record_input()
        return super().feed(samples)


class _InstrumentedClassifier:
    def __init__(self, heartbeats: Heartbeats, classifier: Classifier, rate_hz: int) -> None:
        self._heartbeats, self._classifier, self._rate_hz = heartbeats, classifier, rate_hz

    def score(self, block: AudioBlock) -> Scores:
        """Score the next block of a segment."""
        # Several recordings may be scored at the same time. The end of one must not hide that another hangs.
        self._heartbeats.record(Stage.MODEL, worker=id(self))
        began_s = time.monotonic()
        try:
            scores = self._classifier.score(block)
        finally:
            self._heartbeats.remove(Stage.MODEL, worker=id(self))
        # The duration is that of the new frames, because the windows of some models overlap.
        self._heartbeats.record_inference(
            len(scores.power) * scores.hop_samples / self._rate_hz, time.monotonic() - began_s
        )
        return scores

    def reset(self) -> None:
        """Begin a new stream."""
        self._classifier.reset()
