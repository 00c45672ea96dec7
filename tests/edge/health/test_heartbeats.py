"""A stage that does not keep its promise to be heard of again has hung, and nobody else has."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.config.device import Detect
from anura_edge.detection.detector import Detector
from anura_edge.dsp.framer import Window
from anura_edge.events import Scores
from anura_edge.health.heartbeats import LATELY, AttendedDetector, Stage, Vitals
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import load_classifier

PATIENCE_S = 10.0


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: float = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    return Vitals(PATIENCE_S, clock)


def test_who_never_began_is_not_late() -> None:
    assert Vitals(PATIENCE_S).late() == []


@given(pause_s=st.floats(0, 1e6), waited_s=st.floats(0, 2e6))
def test_a_stage_is_late_when_it_is_silent_for_longer_than_it_said_and_our_patience(
    pause_s: float, waited_s: float
) -> None:
    clock = Clock(0.0)
    vitals = Vitals(PATIENCE_S, clock)
    vitals.beat(Stage.DELIVERY, pause_s)
    clock.now += waited_s
    assert vitals.late() == ([Stage.DELIVERY] if waited_s > pause_s + PATIENCE_S else [])
    vitals.beat(Stage.DELIVERY)
    assert vitals.late() == []


def test_one_that_works_hides_no_other_that_hangs(vitals: Vitals, clock: Clock) -> None:
    vitals.beat(Stage.DELIVERY)
    vitals.heard()
    clock.now += PATIENCE_S + 1
    vitals.beat(Stage.DELIVERY)
    assert vitals.late() == [Stage.LISTENING]
    vitals.rest(Stage.LISTENING)
    assert vitals.late() == []


def test_a_model_that_does_not_answer_is_named(vitals: Vitals, clock: Clock) -> None:
    vitals.heard()
    vitals.beat(Stage.MODEL)
    clock.now += PATIENCE_S + 1
    assert vitals.late() == [Stage.LISTENING, Stage.MODEL]


def test_of_several_models_at_work_one_that_is_done_hides_no_other_that_hangs(vitals: Vitals, clock: Clock) -> None:
    vitals.beat(Stage.MODEL, worker=1)
    clock.now += PATIENCE_S / 2
    vitals.beat(Stage.MODEL, worker=2)
    vitals.rest(Stage.MODEL, worker=2)
    assert vitals.late() == []
    clock.now += PATIENCE_S / 2 + 1
    vitals.beat(Stage.MODEL, worker=2)
    assert vitals.late() == [Stage.MODEL]
    vitals.rest(Stage.MODEL, worker=1)
    assert vitals.late() == [], "the other one has just begun"


class Failing:
    """A model that has run out of memory."""

    def score(self, _window: Window) -> Scores:
        raise RuntimeError("out of memory")

    def reset(self) -> None:
        pass


def test_a_model_that_failed_is_not_waited_for(bundle: Bundle, vitals: Vitals, clock: Clock) -> None:
    detector = AttendedDetector(vitals, bundle, Failing(), Detect(), 1.0)
    detector.begin(bundle.manifest.rate_hz)
    with pytest.raises(RuntimeError):
        [*detector.feed(np.zeros(10 * bundle.manifest.rate_hz, np.float32))]
    vitals.rest(Stage.LISTENING)
    clock.now += PATIENCE_S + 1
    assert vitals.late() == []


def test_the_speed_is_that_of_the_last_minutes(vitals: Vitals, clock: Clock) -> None:
    assert vitals.real_time_factor is None
    vitals.scored(audio_s=60.0, work_s=90.0)
    assert (vitals.real_time_factor, vitals.overruns) == (1.5, 1)
    for _ in range(LATELY):
        clock.now += 60
        vitals.scored(audio_s=60.0, work_s=6.0)
    assert vitals.real_time_factor == pytest.approx(0.1)
    clock.now += 60 * (LATELY + 1)
    assert vitals.real_time_factor is None, "it has been idle for as long"


def test_a_detector_that_is_attended_hears_the_same_and_its_pulse_is_taken(
    bundle: Bundle, vitals: Vitals, clock: Clock, two_calls: Callable[..., FloatArray]
) -> None:
    def hear(detector: Detector) -> list[object]:
        detector.begin(bundle.manifest.rate_hz)
        return [*detector.feed(two_calls()[:, 0]), *detector.end()]

    parts = bundle, load_classifier(bundle), Detect(), 1.0
    assert hear(AttendedDetector(vitals, *parts)) == hear(Detector(*parts)) != []
    clock.now += 5
    assert vitals.since_sample_s == vitals.since_inference_s == 5
    assert vitals.real_time_factor
    assert vitals.late() == []
