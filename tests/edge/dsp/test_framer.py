"""The framer cuts the same stretches whatever the chunks, and loses no sample."""

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


def cuts(framer: Framer, chunks: Iterable[FloatArray]) -> Iterator[Cut]:
    for chunk in chunks:
        yield from ((w.start_sample, tuple(w.samples.tolist())) for w in framer.feed(chunk))
    yield from ((w.start_sample, tuple(w.samples.tolist())) for w in framer.flush())


def rows(stretches: Iterable[Cut], window: int, hop: int) -> list[Cut]:
    """Cut stretches into the windows that a model scores."""
    return [
        (start + at, samples[at : at + window])
        for start, samples in stretches
        for at in range(0, len(samples) - window + 1, hop)
    ]


@given(sizes(), st.integers(0, 80), st.lists(st.integers(0, 80), max_size=10))
def test_windows_do_not_depend_on_chunking(shape: tuple[int, int, int], count: int, at: list[int]) -> None:
    stream = stream_of(count)
    whole = list(cuts(Framer(*shape), [stream]))
    assert list(cuts(Framer(*shape), np.split(stream, sorted(min(i, count) for i in at)))) == whole


@given(sizes(), st.integers(0, 80))
def test_rows_are_the_same_however_many_go_together(shape: tuple[int, int, int], count: int) -> None:
    window, hop, at_a_time = shape
    one_by_one = list(cuts(Framer(window, hop), [stream_of(count)]))
    together = cuts(Framer(window, hop, at_a_time), [stream_of(count)])
    assert rows(together, window, hop) == one_by_one


@given(sizes(), st.integers(1, 3), st.integers(0, 80), st.lists(st.integers(0, 80), max_size=10))
def test_rows_are_the_same_with_slack_and_none_waits_that_could_go(
    shape: tuple[int, int, int], slack: int, count: int, at: list[int]
) -> None:
    window, hop, at_a_time = shape
    stream, framer = stream_of(count), Framer(*shape, slack)
    parts = np.split(stream, sorted(min(i, count) for i in at))
    came, heard = 0, list[Cut]()
    for part in parts:
        came += len(part)
        heard += [(w.start_sample, tuple(w.samples.tolist())) for w in framer.feed(part)]
        waiting = max(0, 1 + (came - window) // hop) - len(rows(heard, window, hop))
        assert waiting < max(1, at_a_time - slack)
    heard += cuts(framer, [])
    assert rows(heard, window, hop) == list(cuts(Framer(window, hop), [stream]))


@given(sizes(), st.integers(0, 80))
def test_every_sample_is_in_some_window_at_its_place(shape: tuple[int, int, int], count: int) -> None:
    window, hop, _ = shape
    heard = {}
    for start, samples in rows(cuts(Framer(*shape), [stream_of(count)]), window, hop):
        assert start % hop == 0
        heard.update({start + i: value for i, value in enumerate(samples) if value})
    assert heard == dict(enumerate(stream_of(count).tolist()))


@given(sizes(), st.integers(0, 80))
def test_each_window_hears_something_new(shape: tuple[int, int, int], count: int) -> None:
    window, hop, _ = shape
    end = 0
    for start, _samples in rows(cuts(Framer(*shape), [stream_of(count)]), window, hop):
        assert start < count
        assert min(start + window, count) > end
        end = min(start + window, count)


@given(sizes(), st.integers(0, 80), st.integers(0, 80))
def test_after_a_flush_a_new_stream_begins(shape: tuple[int, int, int], before: int, count: int) -> None:
    framer = Framer(*shape)
    list(cuts(framer, [stream_of(before)]))
    assert list(cuts(framer, [stream_of(count)])) == list(cuts(Framer(*shape), [stream_of(count)]))


def test_nothing_in_gives_nothing_out() -> None:
    assert list(cuts(Framer(4, 2), [stream_of(0)])) == []


def test_the_last_window_is_padded_with_zeros() -> None:
    assert list(cuts(Framer(4, 2), [stream_of(5)])) == [(0, (1, 2, 3, 4)), (2, (3, 4, 5, 0))]


@pytest.mark.parametrize(("window", "hop"), [(4, 0), (4, -1), (4, 5), (0, 0)])
def test_a_hop_that_would_skip_audio_is_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match="would skip audio"):
        Framer(window, hop)


@given(size=sizes(), total=st.integers(0, 60), steps=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 5))))
def test_rows_may_be_gathered_otherwise_at_any_time_and_each_comes_once(
    size: tuple[int, int, int], total: int, steps: list[tuple[int, int]]
) -> None:
    window, hop, gathered = size
    stream, framer = stream_of(total), Framer(window, hop, gathered)

    def chunks() -> Iterator[FloatArray]:
        at = 0
        for length, number in steps:
            yield stream[at : at + length]
            framer.set_block_frames(number)
            at += length
        yield stream[at:]

    whole = rows(cuts(Framer(window, hop), [stream]), window, hop)
    assert rows(cuts(framer, chunks()), window, hop) == whole
