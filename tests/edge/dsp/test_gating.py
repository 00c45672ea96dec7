"""Gating passes each sample once and in order for any chunks, and power modes do not flicker."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.config.energy import BatterySettings, DutyCycleSettings, EnergySettings, GateSettings
from anura_edge.dsp.gating import (
    AnalysisGate,
    EnergyMode,
    EnergyState,
    GatedAudio,
    LevelGate,
    describe_savings,
    next_mode,
)
from anura_edge.events import EffortState

RATE_HZ = 8_000
START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


def split_chunks(audio: FloatArray, sizes: list[int], gate: AnalysisGate) -> list[GatedAudio]:
    """Split audio in chunks of the given sizes, which repeat."""
    parts: list[GatedAudio] = []
    at = number = 0
    while at < len(audio):
        chunk = audio[at : at + sizes[number % len(sizes)]]
        parts += [(s, p.copy()) for s, p in gate.split(chunk, START + timedelta(seconds=at / RATE_HZ))]
        at, number = at + len(chunk), number + 1
    return [*parts, *gate.end()]


def merged(parts: list[GatedAudio]) -> list[tuple[EffortState, list[float]]]:
    """Merge neighbours with one state."""
    return [
        (state, np.concatenate([part for _, part in group]).tolist())
        for state, group in groupby(parts, key=lambda part: part[0])
    ]


@pytest.fixture(scope="module")
def pond(tone: Callable[..., FloatArray]) -> FloatArray:
    """20 s of faint noise with two calls."""
    audio = np.random.default_rng(3).normal(0, 1e-3, 20 * RATE_HZ).astype(np.float32)
    for at_s in (4.03, 11.5):
        at = round(at_s * RATE_HZ)
        audio[at : at + RATE_HZ] += tone(RATE_HZ, 1)
    return audio


SETTINGS = EnergySettings(
    duty=DutyCycleSettings(on_s=14, period_s=16), gate=GateSettings(level_dbfs=-40, high_hz=3_900, hold_s=2, before_s=1)
)


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 9_000).map(lambda n: n * n // 4_000 + 37), min_size=1, max_size=5))
def test_states_do_not_depend_on_chunks(pond: FloatArray, sizes: list[int]) -> None:
    parts = split_chunks(pond, sizes, AnalysisGate(SETTINGS, EnergyState(), RATE_HZ, 0.1))
    assert np.array_equal(np.concatenate([part for _, part in parts]), pond)
    whole = split_chunks(pond, [len(pond)], AnalysisGate(SETTINGS, EnergyState(), RATE_HZ, 0.1))
    assert merged(parts) == merged(whole)
    assert {state for state, _ in whole} == {EffortState.ANALYSED, EffortState.GATED, EffortState.PAUSED}


def test_gate_passes_audio_before_and_after_a_call(pond: FloatArray) -> None:
    gate = LevelGate(GateSettings(level_dbfs=-40, high_hz=3_900, hold_s=2, before_s=1), RATE_HZ)
    parts = merged([*gate.feed(pond), *gate.end()])
    lengths = [(state, len(samples) / RATE_HZ) for state, samples in parts]
    # The first call begins at 4.03 s, so the frame that opens it begins at 4.0 s, and the last loud one ends at 5.1 s.
    assert lengths == [
        (EffortState.GATED, pytest.approx(3.0)),
        (EffortState.ANALYSED, pytest.approx(1 + 1.1 + 2)),
        (EffortState.GATED, pytest.approx(11.5 - 1 - 7.1)),
        (EffortState.ANALYSED, pytest.approx(1 + 1 + 2)),
        (EffortState.GATED, pytest.approx(20 - 14.5)),
    ]


def test_wind_below_the_band_does_not_open_the_gate(tone: Callable[..., FloatArray]) -> None:
    gate = LevelGate(GateSettings(level_dbfs=-60, low_hz=300, high_hz=3_900), RATE_HZ)
    parts = [*gate.feed(tone(RATE_HZ, 20, hz=23, amplitude=0.3)), *gate.end()]
    assert {state for state, _ in parts} == {EffortState.GATED}


@pytest.mark.parametrize("db", [-1, 1])
def test_level_is_that_of_a_sine_in_the_band(tone: Callable[..., FloatArray], db: float) -> None:
    """A sine's mean square is half of the square of its amplitude."""
    amplitude = 2**0.5 * 10 ** ((-40 + db) / 20)
    gate = LevelGate(GateSettings(level_dbfs=-40, high_hz=3_900), RATE_HZ)
    states = {state for state, _ in [*gate.feed(tone(RATE_HZ, 1, amplitude=amplitude)), *gate.end()]}
    assert states == {EffortState.ANALYSED if db > 0 else EffortState.GATED}


@given(start_s=st.floats(0, 1e9), on_s=st.floats(1, 50), more_s=st.floats(0.01, 50), chunk=st.integers(50, 5_000))
def test_duty_cycle_follows_utc(start_s: float, on_s: float, more_s: float, chunk: int) -> None:
    duty = DutyCycleSettings(on_s=on_s, period_s=on_s + more_s)
    gate = AnalysisGate(EnergySettings(duty=duty), EnergyState(), 100, 0.1)
    at_s = start_s
    for _ in range(5):
        sample_s = at_s
        for state, part in gate.split(
            np.zeros(chunk, np.float32), datetime.fromtimestamp(0, UTC) + timedelta(seconds=at_s)
        ):
            middle_s = sample_s + len(part) / 200
            if 0.02 < middle_s % duty.period_s % duty.on_s < duty.on_s - 0.02:
                is_on = middle_s % duty.period_s < duty.on_s
                assert (state == EffortState.ANALYSED) == is_on
            sample_s += len(part) / 100
        at_s += chunk / 100


@given(charges=st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_mode_falls_at_once_and_rises_with_hysteresis(charges: list[float]) -> None:
    settings, mode, order = BatterySettings(), EnergyMode.FULL, list(EnergyMode)
    for charge in charges:
        lowest = sum(charge < limit for limit in (60, 40, 15))
        before, mode = order.index(mode), next_mode(mode, charge, settings)
        now = order.index(mode)
        assert now >= lowest, "the mode allows no more than the charge"
        if now < before:
            assert all(charge - 5 >= limit for limit in (60, 40, 15)[now:before])
        assert next_mode(mode, charge, settings) == mode, "an equal charge changes nothing"


def test_charge_near_a_threshold_does_not_flicker() -> None:
    mode, modes = EnergyMode.FULL, []
    for charge in (61, 59, 61, 59, 64, 59, 66, 61, 59):
        mode = next_mode(mode, charge, BatterySettings())
        modes.append(mode)
    full, coarse = EnergyMode.FULL, EnergyMode.COARSE
    assert modes == [full, coarse, coarse, coarse, coarse, coarse, full, full, coarse]


def test_savings_are_described_if_there_are_any() -> None:
    assert describe_savings(EnergySettings(battery=BatterySettings())) is None
    assert describe_savings(SETTINGS) == (
        "to save energy, 14 s of every 16 s are analysed; audio below -40 dBFS from 300 to 3900 Hz is not analysed"
    )
