"""A ring buffer returns the newest samples of its stream, for any sizes of writes and any gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.dsp.ring_buffer import RingBuffer


def numbered(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.float32)


@given(st.data(), st.integers(1, 20))
def test_read_returns_a_slice_of_the_stream(data: st.DataObject, capacity: int) -> None:
    sizes = data.draw(st.lists(st.integers(0, 2 * capacity), max_size=20))
    stream, ring = numbered(sum(sizes)), RingBuffer(capacity, np.float32)
    for end, size in zip(np.cumsum(sizes, dtype=int), sizes, strict=True):
        ring.write(stream[end - size : end])
        first = data.draw(st.integers(max(0, end - capacity), int(end)))
        last = data.draw(st.integers(first, int(end)))
        assert (ring.start, ring.end) == (max(0, end - capacity), end)
        np.testing.assert_array_equal(ring.read(first, last), stream[first:last])


def test_read_needs_no_copy() -> None:
    ring = RingBuffer(5, np.float32)
    ring.write(numbered(8))
    assert np.shares_memory(ring.read(3, 8), ring.read(4, 7))


@pytest.mark.parametrize(("first", "last"), [(1, 6), (2, 8), (7, 8), (-1, 1), (6, 5)])
def test_position_outside_the_buffer_is_refused(first: int, last: int) -> None:
    ring = RingBuffer(5, np.float32)
    ring.write(numbered(5))
    ring.write(numbered(2))
    with pytest.raises(IndexError, match="not in the buffer of 2 to 7"):
        ring.read(first, last)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=20), st.integers(1, 40))
def test_gap_becomes_silence(parts: list[tuple[int, int]], capacity: int) -> None:
    ring = RingBuffer(capacity, np.int16)
    stream = np.zeros(0, np.int16)
    for gap, length in parts:
        samples = np.arange(1, length + 1, dtype=np.int16)
        ring.write_at(len(stream) + gap, samples)
        stream = np.concatenate([stream, np.zeros(gap, np.int16), samples])
    assert ring.end == len(stream)
    assert ring.read(ring.start, ring.end).tolist() == stream[-capacity:].tolist()
