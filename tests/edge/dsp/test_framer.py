"""The framer cut_blocks the same blocks for any chunks, and loses no sample."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import Framer

Cut = tuple[int, tuple[float, ...]]


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int]:
    window = draw(st.integers(1, 12))
    return window, draw(st.integers(1, window)), draw(st.integers(1, 4))


def stream_of(count: int) -> FloatArray:
    return np.arange(1, count + 1, dtype=np.float32)


def cut_blocks(framer: Framer, chunks: Iterable[FloatArray]) -> Iterator[Cut]:
    for chunk in chunks:
        yield from ((w.start_sample, tuple(w.samples.tolist())) for w in framer.feed(chunk))
    yield from ((w.start_sample, tuple(w.samples.tolist())) for w in framer.flush())


def frames_of(blocks: Iterable[Cut], window: int, hop: int) -> list[Cut]:
    """Cut blocks into the windows of their frames."""
    return [
        (start + at, samples[at : at + window])
        for start, samples in blocks
        for at in range(0, len(samples) - window + 1, hop)
    ]


@given(sizes(), st.integers(0, 80), st.lists(st.integers(0, 80), max_size=10))
def test_windows_do_not_depend_on_chunking(shape: tuple[int, int, int], count: int, at: list[int]) -> None:
    stream = stream_of(count)
    whole = list(cut_blocks(Framer(*shape), [stream]))
    assert list(cut_blocks(Framer(*shape), np.split(stream, sorted(min(i, count) for i in at)))) == whole


@given(sizes(), st.integers(0, 80))
def test_frames_do_not_depend_on_block_length(shape: tuple[int, int, int], count: int) -> None:
    window, hop, block_frames = shape
    one_by_one = list(cut_blocks(Framer(window, hop), [stream_of(count)]))
    together = cut_blocks(Framer(window, hop, block_frames), [stream_of(count)])
    assert frames_of(together, window, hop) == one_by_one


@given(sizes(), st.integers(1, 3), st.integers(0, 80), st.lists(st.integers(0, 80), max_size=10))
def test_slack_changes_no_frame_and_delays_none(
    shape: tuple[int, int, int], slack: int, count: int, at: list[int]
) -> None:
    window, hop, block_frames = shape
    stream, framer = stream_of(count), Framer(*shape, slack)
    parts = np.split(stream, sorted(min(i, count) for i in at))
    arrived, found = 0, list[Cut]()
    for part in parts:
        arrived += len(part)
        found += [(w.start_sample, tuple(w.samples.tolist())) for w in framer.feed(part)]
        waiting = max(0, 1 + (arrived - window) // hop) - len(frames_of(found, window, hop))
        assert waiting < max(1, block_frames - slack)
    found += cut_blocks(framer, [])
    assert frames_of(found, window, hop) == list(cut_blocks(Framer(window, hop), [stream]))


@given(sizes(), st.integers(0, 80))
def test_every_sample_is_in_a_window_at_its_position(shape: tuple[int, int, int], count: int) -> None:
    window, hop, _ = shape
    found = {}
    for start, samples in frames_of(cut_blocks(Framer(*shape), [stream_of(count)]), window, hop):
        assert start % hop == 0
        found.update({start + i: value for i, value in enumerate(samples) if value})
    assert found == dict(enumerate(stream_of(count).tolist()))


@given(sizes(), st.integers(0, 80))
def test_each_window_contains_new_samples(shape: tuple[int, int, int], count: int) -> None:
    window, hop, _ = shape
    end = 0
    for start, _samples in frames_of(cut_blocks(Framer(*shape), [stream_of(count)]), window, hop):
        assert start < count
        assert min(start + window, count) > end
        end = min(start + window, count)


@given(sizes(), st.integers(0, 80), st.integers(0, 80))
def test_flush_begins_a_new_stream(shape: tuple[int, int, int], before: int, count: int) -> None:
    framer = Framer(*shape)
    list(cut_blocks(framer, [stream_of(before)]))
    assert list(cut_blocks(framer, [stream_of(count)])) == list(cut_blocks(Framer(*shape), [stream_of(count)]))


def test_empty_stream_has_no_blocks() -> None:
    assert list(cut_blocks(Framer(4, 2), [stream_of(0)])) == []


def test_last_window_is_padded_with_zeros() -> None:
    assert list(cut_blocks(Framer(4, 2), [stream_of(5)])) == [(0, (1, 2, 3, 4)), (2, (3, 4, 5, 0))]


@pytest.mark.parametrize(("window", "hop"), [(4, 0), (4, -1), (4, 5), (0, 0)])
def test_hop_that_skips_audio_is_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match="would skip audio"):
        Framer(window, hop)


@given(size=sizes(), total=st.integers(0, 60), steps=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 5))))
def test_change_of_block_length_loses_no_frame(
    size: tuple[int, int, int], total: int, steps: list[tuple[int, int]]
) -> None:
    window, hop, block_frames = size
    stream, framer = stream_of(total), Framer(window, hop, block_frames)

    def chunks() -> Iterator[FloatArray]:
        at = 0
        for length, number in steps:
            yield stream[at : at + length]
            framer.set_block_frames(number)
            at += length
        yield stream[at:]

    whole = frames_of(cut_blocks(Framer(window, hop), [stream]), window, hop)
    assert frames_of(cut_blocks(framer, chunks()), window, hop) == whole
