"""A ring shows any recent stretch of what was written to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.dsp.ring_buffer import Ring


def numbered(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.float32)


@given(st.data(), st.integers(1, 20))
def test_a_view_is_the_streams_own_slice_for_any_sizes_of_writes(data: st.DataObject, capacity: int) -> None:
    sizes = data.draw(st.lists(st.integers(0, capacity), max_size=20))
    stream, ring = numbered(sum(sizes)), Ring(capacity)
    for end, size in zip(np.cumsum(sizes, dtype=int), sizes, strict=True):
        ring.write(stream[end - size : end])
        start = data.draw(st.integers(max(0, end - capacity), int(end)))
        count = data.draw(st.integers(0, int(end) - start))
        assert ring.end == end
        np.testing.assert_array_equal(ring.view(start, count), stream[start : start + count])


def test_everything_remembered_lies_in_one_piece() -> None:
    ring = Ring(5)
    for end in range(5, 23, 3):
        ring.write(numbered(end)[ring.end :])
        view = ring.view(end - 5, 5)
        assert view.base is not None, "a view is no copy"
        assert view.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("start", "count"), [(1, 5), (2, 6), (7, 1), (-1, 2), (6, -1)])
def test_what_is_forgotten_or_not_yet_written_is_refused(start: int, count: int) -> None:
    ring = Ring(5)
    ring.write(numbered(5))
    ring.write(numbered(2))
    with pytest.raises(IndexError, match="not among the last 5 of 7"):
        ring.view(start, count)
