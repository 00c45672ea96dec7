"""What the stages say of themselves while they work: that they do, when they last heard something, and how fast.

Health is *the model ran on fresh audio lately*, not "the process exists": a check of the latter says OK while dead.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from threading import Lock

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.dsp.framer import Window
from anura_edge.events import Call, Scores
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier

SPEED_WINDOW_MIN = 5
"""Minutes over which the speed is told."""


class Stage(StrEnum):
    """Who promises to be heard of again."""

    INPUT = "input"
    """A microphone gives audio, a folder is scanned, a file is read."""
    MODEL = "model"
    """It is scoring at the moment."""
    DELIVERY = "delivery"
    """Rows are sent, or the broker is tried again: a broker that is away is no fault of ours."""


class Heartbeats:
    """The device's pulse. Threads may share it."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Call a stage hung when it is silent for `timeout_s` longer than it said."""
        self._timeout_s, self._clock = timeout_s, clock
        self._lock = Lock()
        self._due: dict[tuple[Stage, int], float] = {}
        self._sample_at: float | None = None
        self._inference_at: float | None = None
        self._minutes: deque[tuple[int, float, float]] = deque(maxlen=SPEED_WINDOW_MIN)
        self.is_live = False
        """Whether sound should come without a pause: from a microphone."""
        self.overflows = 0
        """How often a microphone's driver said that it lost audio."""
        self.drift_ppm: float | None = None
        """How much too fast the microphone samples, in parts per million; None until that is clear."""
        self.provider: str | None = None
        """What the model runs on."""
        self.overruns = 0
        """How often the model took longer than the audio lasts that it scored."""

    def record(self, stage: Stage, pause_s: float = 0.0, worker: int = 0) -> None:
        """Say that a stage works, and for how long it may now pause. Of several workers each speaks for itself."""
        with self._lock:
            self._due[stage, worker] = self._clock() + pause_s + self._timeout_s

    def remove(self, stage: Stage, worker: int = 0) -> None:
        """Say that nothing more is expected of a stage, or of one of its workers."""
        with self._lock:
            self._due.pop((stage, worker), None)

    def overdue(self) -> list[Stage]:
        """Name the stages that have hung."""
        with self._lock:
            now = self._clock()
            late = {stage for (stage, _), due in self._due.items() if due < now}
            return [stage for stage in Stage if stage in late]

    def record_samples(self) -> None:
        """Note that samples have come."""
        self._sample_at = self._clock()
        self.record(Stage.INPUT)

    def record_inference(self, audio_s: float, work_s: float) -> None:
        """Note that the model has scored some audio, and how long that took."""
        self._inference_at = self._clock()
        minute = int(self._inference_at // 60)
        with self._lock:
            self.overruns += work_s > audio_s
            if self._minutes and self._minutes[-1][0] == minute:
                _, audio, work = self._minutes.pop()
                audio_s, work_s = audio_s + audio, work_s + work
            self._minutes.append((minute, audio_s, work_s))

    @property
    def since_sample_s(self) -> float | None:
        """Time since the last sample came, or None before the first."""
        return None if self._sample_at is None else self._clock() - self._sample_at

    @property
    def since_inference_s(self) -> float | None:
        """Time since the model last answered, or None before the first answer."""
        return None if self._inference_at is None else self._clock() - self._inference_at

    @property
    def real_time_factor(self) -> float | None:
        """The model's work for a second of audio, over the last minutes: above 1 it cannot keep up. None if idle."""
        oldest = self._clock() // 60 - SPEED_WINDOW_MIN
        with self._lock:
            lately = [(audio_s, work_s) for minute, audio_s, work_s in self._minutes if minute > oldest]
        audio_s, work_s = (sum(column) for column in zip(*lately, strict=True)) if lately else (0.0, 0.0)
        return work_s / audio_s if audio_s else None


class InstrumentedDetector(Detector):
    """A detector whose pulse is taken while it works."""

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
        attended = _InstrumentedClassifier(heartbeats, classifier, bundle.manifest.rate_hz)
        super().__init__(bundle, attended, detect, block_s, is_live=is_live)
        self._heartbeats = heartbeats

    def feed(self, samples: FloatArray) -> Iterator[Call]:
        """Take the next mono samples of the stretch."""
        self._heartbeats.record_samples()
        return super().feed(samples)


class _InstrumentedClassifier:
    def __init__(self, heartbeats: Heartbeats, classifier: Classifier, rate_hz: int) -> None:
        self._heartbeats, self._classifier, self._rate_hz = heartbeats, classifier, rate_hz

    def score(self, window: Window) -> Scores:
        """Score the next stretch of a stream."""
        # Several recordings may be scored at a time: one that is done must not hide another that hangs.
        self._heartbeats.record(Stage.MODEL, worker=id(self))
        began = time.monotonic()
        try:
            scores = self._classifier.score(window)
        finally:
            self._heartbeats.remove(Stage.MODEL, worker=id(self))
        # Not the window's length: the windows of some models overlap.
        self._heartbeats.record_inference(len(scores.power) * scores.step / self._rate_hz, time.monotonic() - began)
        return scores

    def reset(self) -> None:
        """Begin a new stream."""
        self._classifier.reset()
