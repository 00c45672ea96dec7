"""Calls do not depend on how rows come, never overlap, and hold every row that is loud enough."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.detection.tracker import SILENCE_DBFS, DetectionTracker, Rule
from anura_edge.events import Detection, Scores

STEP = 10
LEVELS = (0.0, 0.2, 0.3, 0.5, 0.6, 0.9)  # either side of, and just on, both thresholds
ON, OFF = 0.6, 0.3

probabilities = st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from(LEVELS)), min_size=1, max_size=60)
rules = st.builds(Rule, st.just(ON), st.just(OFF), st.integers(0, 60), st.integers(1, 200))
spans = st.sampled_from([STEP, STEP + 5, 3 * STEP])


def scores(rows: Sequence[Sequence[float]], first_row: int = 0, span: int = STEP) -> Scores:
    table: FloatArray = np.array(rows, np.float32).reshape(len(rows), -1)
    power = np.arange(first_row + 1, first_row + 1 + len(rows), dtype=np.float32) / 1_000
    return Scores(table, power, first_row * STEP, STEP, span)


def track(rules: Sequence[Rule], groups: Sequence[Scores], span: int = STEP) -> Iterator[Detection]:
    tracker = DetectionTracker(rules, STEP, span)
    for group in groups:
        yield from tracker.update(group)
    yield from tracker.flush()


def calls_of(column: Sequence[float], rule: Rule, span: int = STEP) -> list[Detection]:
    return list(track([rule], [scores([[p] for p in column], 0, span)], span))


@given(probabilities, rules, spans, st.lists(st.integers(0, 60), max_size=10))
def test_calls_do_not_depend_on_how_rows_are_grouped(
    rows: list[tuple[float, float]], rule: Rule, span: int, at: list[int]
) -> None:
    edges = [0, *sorted(min(i, len(rows)) for i in at), len(rows)]
    groups = [
        scores(rows[a:b], a, span) if b > a else Scores(np.zeros((0, 2), np.float32), np.zeros(0), a * STEP, STEP, span)
        for a, b in pairwise(edges)
    ]
    whole = list(track([rule, rule], [scores(rows, 0, span)], span))
    found = list(track([rule, rule], groups, span))
    assert sorted(found, key=repr) == sorted(whole, key=repr)


@given(probabilities, rules, spans)
def test_calls_of_a_label_never_overlap_and_closer_than_the_gap_only_where_cut(
    rows: list[tuple[float, float]], rule: Rule, span: int
) -> None:
    calls = calls_of([p for p, _ in rows], rule, span)
    for call, following in pairwise(calls):
        gap = following.onset_sample - call.offset_sample
        assert gap >= 0
        was_cut = call.offset_sample - call.onset_sample >= rule.max_length
        assert gap >= rule.merge_gap or was_cut


@given(probabilities, rules, spans)
def test_every_loud_row_begins_in_exactly_one_call(rows: list[tuple[float, float]], rule: Rule, span: int) -> None:
    column = [p for p, _ in rows]
    calls = calls_of(column, rule, span)
    for row, p in enumerate(column):
        holding = [call for call in calls if call.onset_sample <= row * STEP < call.offset_sample]
        assert len(holding) == 1 or (p < ON and not holding)


@given(probabilities, rules)
def test_a_call_begins_and_ends_with_a_row_that_counts_and_has_the_peak_and_mean_of_its_rows(
    rows: list[tuple[float, float]], rule: Rule
) -> None:
    column = np.array([p for p, _ in rows], np.float32).tolist()
    for call in calls_of(column, rule):
        mine = column[call.onset_sample // STEP : call.offset_sample // STEP]
        assert mine[0] >= OFF
        assert mine[-1] >= OFF
        assert call.p_peak == max(mine) >= ON
        assert call.p_mean == pytest.approx(sum(mine) / len(mine))
        assert call.p_mean <= call.p_peak
        power = np.arange(call.onset_sample // STEP + 1, call.offset_sample // STEP + 1) / 1_000
        assert call.level_dbfs == pytest.approx(10 * np.log10(power.mean()), abs=1e-3)


@given(probabilities, rules)
def test_no_silence_inside_a_call_is_as_long_as_the_gap(rows: list[tuple[float, float]], rule: Rule) -> None:
    column = [p for p, _ in rows]
    for call in calls_of(column, rule):
        mine = column[call.onset_sample // STEP : call.offset_sample // STEP]
        silences = "".join("x" if p >= OFF else "." for p in mine).split("x")
        assert all(len(silence) * STEP < max(rule.merge_gap, 1) for silence in silences if silence)


@given(probabilities, rules)
def test_labels_do_not_disturb_each_other(rows: list[tuple[float, float]], rule: Rule) -> None:
    together = list(track([rule, rule], [scores(rows)]))
    for label in (0, 1):
        alone = calls_of([row[label] for row in rows], rule)
        mine = [call for call in together if call.label == label]
        assert [(c.onset_sample, c.offset_sample) for c in mine] == [(c.onset_sample, c.offset_sample) for c in alone]


def test_an_all_night_chorus_is_cut_at_its_longest() -> None:
    rule = Rule(ON, OFF, merge_gap=20, max_length=6 * STEP)
    calls = calls_of([0.9] * 20, rule)
    assert [(c.onset_sample, c.offset_sample) for c in calls] == [(0, 60), (60, 120), (120, 180), (180, 200)]


def test_a_chorus_is_told_of_while_it_lasts() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, merge_gap=20, max_length=6 * STEP)], STEP, STEP)
    told = [len(list(tracker.update(scores([[0.9]], row)))) for row in range(12)]
    assert told == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_a_call_is_told_of_as_soon_as_it_can_no_longer_go_on() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, merge_gap=3 * STEP, max_length=1_000)], STEP, STEP)
    told = [len(list(tracker.update(scores([[p]], row)))) for row, p in enumerate([0.9, 0, 0, 0, 0])]
    assert told == [0, 0, 0, 1, 0]


def test_what_never_gets_loud_enough_is_no_call() -> None:
    assert calls_of([0.5] * 50, Rule(ON, OFF, merge_gap=0, max_length=1_000)) == []


def test_a_window_models_call_reaches_to_its_last_windows_end() -> None:
    (call,) = calls_of([0, 0.9, 0.9, 0], Rule(ON, OFF, merge_gap=0, max_length=1_000), span=3 * STEP)
    assert (call.onset_sample, call.offset_sample) == (STEP, 5 * STEP)


def test_a_full_scale_sine_has_minus_3_dbfs() -> None:
    sine = np.sin(2 * np.pi * np.arange(8_000) / 80)
    power = np.square(sine).reshape(-1, 800).mean(axis=1).astype(np.float32)
    tracker = DetectionTracker([Rule(ON, OFF, 0, 10**6)], 800, 800)
    list(tracker.update(Scores(np.full((10, 1), 0.9, np.float32), power, 0, 800, 800)))
    (call,) = tracker.flush()
    assert call.level_dbfs == pytest.approx(-3.0103, abs=1e-3)


def test_digital_silence_has_a_level_that_can_be_written() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, 0, 10**6)], STEP, STEP)
    list(tracker.update(Scores(np.full((1, 1), 0.9, np.float32), np.zeros(1, np.float32), 0, STEP, STEP)))
    (call,) = tracker.flush()
    assert call.level_dbfs == SILENCE_DBFS


def test_rows_that_are_not_numbers_are_no_calls() -> None:
    assert calls_of([float("nan")] * 5, Rule(ON, OFF, 0, 1_000)) == []


def test_a_flushed_tracker_begins_anew() -> None:
    tracker = DetectionTracker([Rule(ON, OFF, 50, 1_000)], STEP, STEP)
    assert not list(tracker.update(scores([[0.9]])))
    assert len(list(tracker.flush())) == 1
    assert not list(tracker.flush())
