"""A frog's absence counts only where it could have been heard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.signal_quality import CLIPPED_SHARE, FAULT_S, FRAME_S, MENDED_S, FaultDetector, QualityMeter
from anura_edge.events import EffortState

RATE_HZ = 100
ANALYSED, SILENT, CLIPPED = EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED


def noise(seconds: float) -> FloatArray:
    return np.random.default_rng(3).uniform(-0.5, 0.5, round(seconds * RATE_HZ)).astype(np.float32)


def flat(seconds: float, value: float = 0.0) -> FloatArray:
    return np.full(round(seconds * RATE_HZ), value, np.float32)


def loud(seconds: float, share: float) -> FloatArray:
    samples = noise(seconds)
    samples[: round(share * len(samples))] = -1.0
    return samples


def judge(*parts: FloatArray) -> list[tuple[EffortState, int]]:
    check = QualityMeter(RATE_HZ)
    return [frame for part in parts for frame in check.feed(part)] + list(check.end())


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        (noise(10), ANALYSED),
        (flat(10), SILENT),
        (flat(10, 0.25), SILENT),
        (flat(10, -1.0), SILENT),  # silent comes before clipped: a dead converter, not a loud place
        (loud(10, CLIPPED_SHARE), CLIPPED),
        (loud(10, CLIPPED_SHARE / 2), ANALYSED),
        (flat(0.99), ANALYSED),
        (flat(1.0), SILENT),
    ],
)
def test_each_frame_has_the_state_of_its_sound(samples: FloatArray, state: EffortState) -> None:
    assert judge(samples) == [(state, len(samples))]


@given(st.lists(st.integers(1, 3_000), max_size=10))
def test_the_states_do_not_depend_on_the_size_of_chunks(sizes: list[int]) -> None:
    sound = np.concatenate([noise(12), flat(27), loud(20, 0.5), noise(3.5)])
    found = judge(*np.split(sound, np.minimum(np.cumsum(sizes), len(sound)).astype(int)))
    assert found == judge(sound)
    assert sum(samples for _, samples in found) == len(sound)


def test_a_fault_is_told_after_minutes_and_once() -> None:
    watch = FaultDetector(RATE_HZ)
    frame = round(FRAME_S * RATE_HZ)

    def told(state: EffortState, seconds: float) -> int:
        return sum(watch.note(state, frame) for _ in range(round(seconds / FRAME_S)))

    assert told(SILENT, FAULT_S - FRAME_S) == 0
    assert told(ANALYSED, FRAME_S) == 0
    assert told(SILENT, 10 * FAULT_S) == 1
    assert told(ANALYSED, MENDED_S - FRAME_S) == 0
    assert told(CLIPPED, 2 * FAULT_S) == 0, "it never recovered"
    assert told(ANALYSED, MENDED_S) == 0
    assert told(CLIPPED, 2 * FAULT_S) == 1
