"""Detections do not depend on grouping, never overlap, and contain every frame above the threshold."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import SILENCE_DBFS, FloatArray
from anura_edge.detection.tracker import DetectionTracker, Rule
from anura_edge.events import Detection, Scores

HOP = 10
LEVELS = (0.0, 0.2, 0.3, 0.5, 0.6, 0.9)  # either side of, and just on, both thresholds
ON, OFF = 0.6, 0.3

probabilities = st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(LEVELS)), min_size=1, max_size=60)
rules = st.builds(Rule, st.just(ON), st.just(OFF), st.integers(0, 60), st.integers(1, 200))
frame_lengths = st.sampled_from([HOP, HOP + 5, 3 * HOP])


def scores(frames: Sequence[Sequence[float]], first_frame: int = 0, frame_length: int = HOP) -> Scores:
    table: FloatArray = np.array(frames, np.float32).reshape(len(frames), -1)
    power = np.arange(first_frame + 1, first_frame + 1 + len(frames), dtype=np.float32) / 1_000
    return Scores(table, power, first_frame * HOP, HOP, frame_length)


def track(rules: Sequence[Rule], groups: Sequence[Scores], frame_length: int = HOP) -> Iterator[Detection]:
    tracker = DetectionTracker(rules, HOP, frame_length)
    for group in groups:
        yield from tracker.update(group)
    yield from tracker.flush()


def detections_of(column: Sequence[float], rule: Rule, frame_length: int = HOP) -> list[Detection]:
    return list(track([rule], [scores([[p] for p in column], 0, frame_length)], frame_length))


@given(probabilities, rules, frame_lengths, st.lists(st.integers(0, 60), max_size=10))
def test_detections_do_not_depend_on_grouping(
    frames: list[tuple[float, float]], rule: Rule, frame_length: int, at: list[int]
) -> None:
    edges = [0, *sorted(min(i, len(frames)) for i in at), len(frames)]
    groups = [
        scores(frames[a:b], a, frame_length)
        if b > a
        else Scores(np.zeros((0, 2), np.float32), np.zeros(0), a * HOP, HOP, frame_length)
        for a, b in pairwise(edges)
    ]
    whole = list(track([rule, rule], [scores(frames, 0, frame_length)], frame_length))
    found = list(track([rule, rule], groups, frame_length))
    assert sorted(found, key=repr) == sorted(whole, key=repr)


@given(probabilities, rules, frame_lengths)
def test_detections_of_a_label_keep_the_gap_unless_cut(
    frames: list[tuple[float, float]], rule: Rule, frame_length: int
) -> None:
    detections = detections_of([p for p, _ in frames], rule, frame_length)
    for detection, following in pairwise(detections):
        gap = following.onset_sample - detection.offset_sample
        assert gap >= 0
        was_cut = detection.offset_sample - detection.onset_sample >= rule.max_length
        assert gap >= rule.merge_gap or was_cut


@given(probabilities, rules, frame_lengths)
def test_frame_above_on_is_in_exactly_one_detection(
    frames: list[tuple[float, float]], rule: Rule, frame_length: int
) -> None:
    column = [p for p, _ in frames]
    detections = detections_of(column, rule, frame_length)
    for frame, p in enumerate(column):
        holding = [
            detection for detection in detections if detection.onset_sample <= frame * HOP < detection.offset_sample
        ]
        assert len(holding) == 1 or (p < ON and not holding)


@given(probabilities, rules)
def test_detection_has_peak_and_mean_of_its_frames(frames: list[tuple[float, float]], rule: Rule) -> None:
    column = np.array([p for p, _ in frames], np.float32).tolist()
    for detection in detections_of(column, rule):
        mine = column[detection.onset_sample // HOP : detection.offset_sample // HOP]
        assert mine[0] >= OFF
        assert mine[-1] >= OFF
        assert detection.p_peak == max(mine) >= ON
        assert detection.p_mean == pytest.approx(sum(mine) / len(mine))
        assert detection.p_mean <= detection.p_peak
        power = np.arange(detection.onset_sample // HOP + 1, detection.offset_sample // HOP + 1) / 1_000
        assert detection.level_dbfs == pytest.approx(10 * np.log10(power.mean()), abs=1e-3)


@given(probabilities, rules)
def test_gap_inside_a_detection_is_shorter_than_merge_gap(frames: list[tuple[float, float]], rule: Rule) -> None:
    column = [p for p, _ in frames]
    for detection in detections_of(column, rule):
        mine = column[detection.onset_sample // HOP : detection.offset_sample // HOP]
        silences = "".join("x" if p >= OFF else "." for p in mine).split("x")
        assert all(len(silence) * HOP < max(rule.merge_gap, 1) for silence in silences if silence)


@given(probabilities, rules)
def test_labels_are_independent(frames: list[tuple[float, float]], rule: Rule) -> None:
    together = list(track([rule, rule], [scores(frames)]))
    for label in (0, 1):
        alone = detections_of([frame[label] for frame in frames], rule)
        mine = [detection for detection in together if detection.label == label]
        assert [(c.onset_sample, c.offset_sample) for c in mine] == [(c.onset_sample, c.offset_sample) for c in alone]


def test_long_chorus_is_cut_at_max_length() -> None:
    rule = Rule(ON, OFF, merge_gap=20, max_length=6 * HOP)
    detections = detections_of([0.9] * 20, rule)
    assert [(c.onset_sample, c.offset_sample) for c in detections] == [(0, 60), (60, 120), (120, 180), (180, 200)]


def test_chorus_is_reported_while_it_lasts() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, merge_gap=20, max_length=6 * HOP)], HOP, HOP)
    reported = [len(list(tracker.update(scores([[0.9]], frame)))) for frame in range(12)]
    assert reported == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_detection_is_reported_as_soon_as_it_is_over() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, merge_gap=3 * HOP, max_length=1_000)], HOP, HOP)
    reported = [len(list(tracker.update(scores([[p]], frame)))) for frame, p in enumerate([0.9, 0, 0, 0, 0])]
    assert reported == [0, 0, 0, 1, 0]


def test_score_below_on_is_no_detection() -> None:
    assert detections_of([0.5] * 50, Rule(ON, OFF, merge_gap=0, max_length=1_000)) == []


def test_detection_of_a_window_model_ends_with_its_last_window() -> None:
    (detection,) = detections_of([0, 0.9, 0.9, 0], Rule(ON, OFF, merge_gap=0, max_length=1_000), frame_length=3 * HOP)
    assert (detection.onset_sample, detection.offset_sample) == (HOP, 5 * HOP)


def test_full_scale_sine_has_minus_3_dbfs() -> None:
    sine = np.sin(2 * np.pi * np.arange(8_000) / 80)
    power = np.square(sine).reshape(-1, 800).mean(axis=1).astype(np.float32)
    tracker = DetectionTracker([Rule(ON, OFF, 0, 10**6)], 800, 800)
    list(tracker.update(Scores(np.full((10, 1), 0.9, np.float32), power, 0, 800, 800)))
    (detection,) = tracker.flush()
    assert detection.level_dbfs == pytest.approx(-3.0103, abs=1e-3)


def test_digital_silence_has_a_finite_level() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, 0, 10**6)], HOP, HOP)
    list(tracker.update(Scores(np.full((1, 1), 0.9, np.float32), np.zeros(1, np.float32), 0, HOP, HOP)))
    (detection,) = tracker.flush()
    assert detection.level_dbfs == SILENCE_DBFS


def test_nan_is_no_detection() -> None:
    assert detections_of([float("nan")] * 5, Rule(ON, OFF, 0, 1_000)) == []


def test_flush_resets_the_tracker() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, 50, 1_000)], HOP, HOP)
    assert not list(tracker.update(scores([[0.9]])))
    assert len(list(tracker.flush())) == 1
    assert not list(tracker.flush())
