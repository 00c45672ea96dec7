"""RecentAudio returns the last samples, with zeros for gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.clips.recent_audio import RecentAudio

STEP = np.float32(1 / 32_767)
"""One step of int16."""


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=20),
    st.integers(1, 40),
    st.integers(0, 300),
    st.integers(0, 50),
)
def test_recent_audio_returns_the_last_samples(
    parts: list[tuple[int, int]], capacity: int, first: int, count: int
) -> None:
    recent = RecentAudio(capacity)
    written: FloatArray = np.zeros(0, np.float32)
    for gap, length in parts:
        samples = np.arange(1, min(length, capacity) + 1, dtype=np.float32) * STEP
        recent.write(samples, len(written) + gap)
        written = np.concatenate([written, np.zeros(gap, np.float32), samples])
    begin = max(first, len(written) - capacity, 0)
    expected = (written[begin : first + count] / STEP).round().astype(np.int16)
    assert recent.read(first, first + count).tolist() == expected.tolist()
