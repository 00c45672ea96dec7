"""A stage whose heartbeat is overdue has hung. The other stages have not."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.dsp.framer import AudioBlock
from anura_edge.events import Scores
from anura_edge.health.heartbeats import SPEED_WINDOW_MIN, Heartbeats, InstrumentedDetector, Stage
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.loading import load_classifier

TIMEOUT_S = 10.0


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heartbeats(clock: Clock) -> Heartbeats:
    return Heartbeats(TIMEOUT_S, clock)


def test_stage_that_never_started_is_not_overdue() -> None:
    assert Heartbeats(TIMEOUT_S).overdue() == []


@given(pause_s=st.floats(0, 1e6), silent_s=st.floats(0, 2e6))
def test_stage_is_overdue_after_its_pause_and_the_timeout(pause_s: float, silent_s: float) -> None:
    clock = Clock(0.0)
    heartbeats = Heartbeats(TIMEOUT_S, clock)
    heartbeats.record(Stage.DELIVERY, pause_s)
    clock.now += silent_s
    assert heartbeats.overdue() == ([Stage.DELIVERY] if silent_s > pause_s + TIMEOUT_S else [])
    heartbeats.record(Stage.DELIVERY)
    assert heartbeats.overdue() == []


def test_working_stage_does_not_hide_a_hung_one(heartbeats: Heartbeats, clock: Clock) -> None:
    heartbeats.record(Stage.DELIVERY)
    heartbeats.record_input()
    clock.now += TIMEOUT_S + 1
    heartbeats.record(Stage.DELIVERY)
    assert heartbeats.overdue() == [Stage.INPUT]
    heartbeats.remove(Stage.INPUT)
    assert heartbeats.overdue() == []


def test_hung_model_is_overdue(heartbeats: Heartbeats, clock: Clock) -> None:
    heartbeats.record_input()
    heartbeats.record(Stage.MODEL)
    clock.now += TIMEOUT_S + 1
    assert heartbeats.overdue() == [Stage.INPUT, Stage.MODEL]


def test_finished_worker_does_not_hide_a_hung_one(heartbeats: Heartbeats, clock: Clock) -> None:
    heartbeats.record(Stage.MODEL, worker=1)
    clock.now += TIMEOUT_S / 2
    heartbeats.record(Stage.MODEL, worker=2)
    heartbeats.remove(Stage.MODEL, worker=2)
    assert heartbeats.overdue() == []
    clock.now += TIMEOUT_S / 2 + 1
    heartbeats.record(Stage.MODEL, worker=2)
    assert heartbeats.overdue() == [Stage.MODEL]
    heartbeats.remove(Stage.MODEL, worker=1)
    assert heartbeats.overdue() == [], "worker 2 has just recorded a heartbeat"


class FailingClassifier:
    """A model that raises an error."""

    def score(self, _window: AudioBlock) -> Scores:
        raise RuntimeError("out of memory")

    def reset(self) -> None:
        pass


def test_failed_model_is_not_overdue(bundle: Bundle, heartbeats: Heartbeats, clock: Clock) -> None:
    detector = InstrumentedDetector(heartbeats, bundle, FailingClassifier(), DetectionSettings(), 1.0)
    detector.begin(bundle.manifest.rate_hz)
    with pytest.raises(RuntimeError):
        [*detector.feed(np.zeros(10 * bundle.manifest.rate_hz, np.float32))]
    heartbeats.remove(Stage.INPUT)
    clock.now += TIMEOUT_S + 1
    assert heartbeats.overdue() == []


def test_real_time_factor_covers_the_last_minutes(heartbeats: Heartbeats, clock: Clock) -> None:
    assert heartbeats.real_time_factor is None
    heartbeats.record_inference(audio_s=60.0, work_s=90.0)
    assert (heartbeats.real_time_factor, heartbeats.overruns) == (1.5, 1)
    for _ in range(SPEED_WINDOW_MIN):
        clock.now += 60
        heartbeats.record_inference(audio_s=60.0, work_s=6.0)
    assert heartbeats.real_time_factor == pytest.approx(0.1)
    clock.now += 60 * (SPEED_WINDOW_MIN + 1)
    assert heartbeats.real_time_factor is None, "the model is idle"


def test_instrumented_detector_gives_the_same_events(
    bundle: Bundle, heartbeats: Heartbeats, clock: Clock, two_calls: Callable[..., FloatArray]
) -> None:
    def analyse(detector: Detector) -> list[object]:
        detector.begin(bundle.manifest.rate_hz)
        return [*detector.feed(two_calls()[:, 0]), *detector.end()]

    parts = bundle, load_classifier(bundle), DetectionSettings(), 1.0
    assert analyse(InstrumentedDetector(heartbeats, *parts)) == analyse(Detector(*parts)) != []
    clock.now += 5
    assert heartbeats.since_sample_s == heartbeats.since_inference_s == 5
    assert heartbeats.real_time_factor
    assert heartbeats.overdue() == []
