"""Samples are counted. A clock can change their time, never their number."""

from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource
from anura_edge.clocks.sample_clock import LOST_S, ClockReading, SampleClock, SystemClock, WallClock, _from_battery

RATE_HZ = 48_000
BLOCK = RATE_HZ // 10
YEAR_S = 365 * 86_400.0


def feed(clock: SampleClock, first_block: int, blocks: int, late_s: np.ndarray, ppm: float = 0.0) -> int:
    """Feed late blocks of a tenth of a second. Return the number of lost samples."""
    lost = 0
    for number in range(first_block, first_block + blocks):
        end = (number + 1) * BLOCK
        arrived_s = end / (RATE_HZ * (1 + ppm / 1e6)) + late_s[number % len(late_s)]
        lost += clock.update(end + lost, arrived_s)
    return lost


@given(st.lists(st.floats(0, 0.09), min_size=5, max_size=200), st.integers(-150, 150))
def test_late_blocks_are_not_lost(late_s: list[float], ppm: int) -> None:
    assert feed(SampleClock(RATE_HZ, 0.0), 0, 3_000, np.array(late_s), ppm) == 0


@given(st.floats(LOST_S * 1.2, 100), st.integers(0, 100))
def test_lost_samples_are_counted_within_seconds(lost_s: float, before: int) -> None:
    clock = SampleClock(RATE_HZ, 0.0)
    jitter = np.random.default_rng(before).exponential(0.003, 500).clip(0, 0.05)
    assert feed(clock, 0, before, jitter) == 0
    clock_jitter = jitter + lost_s
    missed = feed(clock, before, 50, clock_jitter)
    assert missed == pytest.approx(lost_s * RATE_HZ, abs=0.05 * RATE_HZ)


@pytest.mark.parametrize("ppm", [-100, -7, 0, 20, 150])
def test_drift_is_measured_and_samples_keep_their_time(ppm: float) -> None:
    clock = SampleClock(RATE_HZ, 0.0)
    jitter = np.random.default_rng(1).exponential(0.003, 7_919)
    assert feed(clock, 0, 3_000, jitter, ppm) == 0
    assert clock.drift_ppm is None
    assert feed(clock, 3_000, 33_000, jitter, ppm) == 0
    assert clock.drift_ppm == pytest.approx(ppm, abs=1)
    truth_s = 3_600 / (1 + ppm / 1e6)
    assert clock.zero_s + 3_600 == pytest.approx(truth_s, abs=0.01)


@given(st.lists(st.tuples(st.floats(0.1, 5), st.floats(-YEAR_S, YEAR_S)), max_size=20))
def test_each_clock_step_is_reported(steps: list[tuple[float, float]]) -> None:
    at_s, utc_s = 100.0, 1.8e9
    wall = WallClock(ClockReading(at_s, utc_s, is_trusted=True))
    for wait_s, step_s in steps:
        at_s, utc_s = at_s + wait_s, utc_s + wait_s + step_s
        change = wall.update(ClockReading(at_s, utc_s, is_trusted=True))
        if abs(step_s) > 0.501:
            assert change
            assert change.forward_s == pytest.approx(step_s, abs=1e-3)
            assert not change.is_trusted
        elif abs(step_s) < 0.499:
            assert change is None
        assert wall.utc(at_s).timestamp() == pytest.approx(utc_s, abs=1e-3)


@given(st.lists(st.floats(-YEAR_S, YEAR_S), max_size=10), st.floats(0, 60 * YEAR_S))
def test_one_number_corrects_all_times_of_an_untrusted_clock(guesses: list[float], truth_s: float) -> None:
    wall = WallClock(ClockReading(10.0, 0.0, is_trusted=False))
    before = wall.utc(5.0)
    for at_s, guess_s in enumerate(guesses, start=11):
        assert wall.update(ClockReading(at_s, guess_s, is_trusted=False)) is None
    assert (wall.source, wall.utc(5.0)) == (ClockSource.UNKNOWN, before)
    change = wall.update(ClockReading(30.0, truth_s, is_trusted=True))
    assert change
    assert change.is_trusted
    assert wall.source == ClockSource.SYSTEM
    assert before.timestamp() + change.forward_s == pytest.approx(wall.utc(5.0).timestamp(), abs=1e-3)
    assert wall.utc(30.0).timestamp() == pytest.approx(truth_s, abs=1e-3)


def test_system_clock_agrees_with_python() -> None:
    reading = SystemClock(trust=True, stop=Event()).read()
    assert abs(datetime.fromtimestamp(reading.utc_s, UTC) - datetime.now(UTC)).total_seconds() < 60
    assert reading.is_trusted
    assert not SystemClock(trust=False, stop=Event()).read().is_trusted
    assert SystemClock("auto", Event()).read().is_trusted in (True, False)


def test_clock_of_1970_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anura_edge.clocks.sample_clock.clock_synchronised", lambda: True)
    assert SystemClock._is_trusted(1_900_000_000.0)
    assert not SystemClock._is_trusted(3_600.0)


@pytest.mark.parametrize(("content", "known"), [("1\n", True), ("0\n", False)])
def test_battery_clock_is_trusted_if_the_kernel_used_it(tmp_path: Path, content: str, known: bool) -> None:
    assert not _from_battery(tmp_path)
    (tmp_path / "rtc0").mkdir()
    (tmp_path / "rtc0" / "hctosys").write_text(content)
    assert _from_battery(tmp_path) == known
