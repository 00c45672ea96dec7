"""Silent and clipped audio is recognised, and a long fault is reported once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.signal_quality import CLIPPED_SHARE, FAULT_S, PERIOD_S, RECOVERY_S, FaultDetector, QualityMeter
from anura_edge.events import EffortState

RATE_HZ = 100
ANALYSED, SILENT, CLIPPED = EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED


def noise(seconds: float) -> FloatArray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)


def flat(seconds: float, value: float = 0.0) -> FloatArray:
    return np.full(round(seconds * RATE_HZ), value, np.float32)


def last_bit(seconds: float, steps: int) -> FloatArray:
    """Noise over some steps of 16 bits."""
    values = np.random.default_rng(3).integers(0, steps + 1, round(seconds * RATE_HZ)) - steps // 2
    return (values / 32_768).astype(np.float32)


def loud(seconds: float, share: float) -> FloatArray:
    samples = noise(seconds)
    samples[: round(share * len(samples))] = -1.0
    return samples


def classify(*parts: FloatArray) -> list[tuple[EffortState, int]]:
    meter = QualityMeter(RATE_HZ)
    periods = [period for part in parts for period in meter.feed(part)] + list(meter.end())
    return [(period.state, period.samples) for period in periods]


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        (noise(10), ANALYSED),
        (flat(10), SILENT),
        (flat(10, 0.25), SILENT),
        (last_bit(10, 2), SILENT),  # a dead microphone on a converter that works
        (last_bit(10, 8), ANALYSED),  # a quiet night
        (flat(10, -1.0), SILENT),  # silent takes precedence over clipped: a dead converter
        (loud(10, CLIPPED_SHARE), CLIPPED),
        (loud(10, CLIPPED_SHARE / 2), ANALYSED),
        (4 * noise(10), ANALYSED),  # samples of a float file beyond full scale
        (flat(0.99), ANALYSED),
        (flat(1.0), SILENT),
    ],
)
def test_period_has_the_state_of_its_audio(samples: FloatArray, state: EffortState) -> None:
    assert classify(samples) == [(state, len(samples))]


@given(st.lists(st.integers(1, 3_000), max_size=10))
def test_states_do_not_depend_on_chunks(sizes: list[int]) -> None:
    sound = np.concatenate([noise(12), flat(27), loud(20, 0.5), noise(3.5)])
    found = classify(*np.split(sound, np.minimum(np.cumsum(sizes), len(sound)).astype(int)))
    assert found == classify(sound)
    assert sum(samples for _, samples in found) == len(sound)


def test_fault_is_reported_once_after_minutes() -> None:
    detector = FaultDetector(RATE_HZ)
    period = round(PERIOD_S * RATE_HZ)

    def reported(state: EffortState, seconds: float) -> int:
        return sum(detector.update(state, period) for _ in range(round(seconds / PERIOD_S)))

    assert reported(SILENT, FAULT_S - PERIOD_S) == 0
    assert reported(ANALYSED, PERIOD_S) == 0
    assert reported(SILENT, 10 * FAULT_S) == 1
    assert reported(ANALYSED, RECOVERY_S - PERIOD_S) == 0
    assert reported(CLIPPED, 2 * FAULT_S) == 0, "it never recovered"
    assert reported(ANALYSED, RECOVERY_S) == 0
    assert reported(CLIPPED, 2 * FAULT_S) == 1
