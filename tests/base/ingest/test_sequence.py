from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from anura_base.ingest.sequence import JournalProgress, merge_spans, spans

Batch = tuple[list[int], int]
"""Numbers and floor."""

batches = st.lists(st.tuples(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 40)), max_size=12)


def after(history: Sequence[Batch]) -> JournalProgress:
    progress = JournalProgress()
    for numbers, floor in history:
        progress = progress.add(numbers, floor)
    return progress


@given(batches, st.randoms(use_true_random=False))
def test_result_does_not_depend_on_order_or_repetition(history: list[Batch], random) -> None:  # noqa: ANN001
    shuffled = [*history, *history[::2]]
    random.shuffle(shuffled)
    assert after(shuffled) == after(history)


@given(batches)
def test_result_does_not_depend_on_batches(history: list[Batch]) -> None:
    singles = [([number], floor) for numbers, floor in history for number in numbers]
    empty = [([], floor) for numbers, floor in history]
    assert after(singles + empty) == after(history)


@given(batches)
def test_acknowledged_rows_are_received_or_below_the_floor(history: list[Batch]) -> None:
    received = {number for numbers, _ in history for number in numbers if number >= 1}
    floor = max([1, *(floor for _, floor in history)])
    progress = after(history)
    up_to = set(range(1, progress.contiguous + 1))
    assert all(number in received or number < floor for number in up_to)
    assert progress.contiguous + 1 >= floor
    assert progress.contiguous + 1 not in received
    assert progress.missing == len(up_to - received)


@given(batches)
def test_acknowledged_number_never_decreases(history: list[Batch]) -> None:
    acks = [after(history[:count]).contiguous for count in range(len(history) + 1)]
    assert acks == sorted(acks)


def test_late_row_is_no_longer_missing() -> None:
    progress = after([([4], 4)])
    assert (progress.contiguous, progress.missing) == (4, 3)
    assert progress.add([2], 1).missing == 2


def test_journal_without_gaps_is_one_span() -> None:
    assert after([(list(range(1, 10_001)), 1)]).received == ((1, 10_000),)


@given(batches, st.integers(0, 45))
def test_gaps_are_numbers_that_can_still_arrive(history: list[Batch], number: int) -> None:
    progress = after(history)
    received = {n for numbers, _ in history for n in numbers}
    gaps = progress.gaps_below(number, 100)
    assert numbers_of(gaps) == [n for n in range(progress.floor, number) if n not in received]
    assert gaps == spans(numbers_of(gaps)), "no two spans touch"
    assert progress.gaps_below(number, 2) == gaps[:2]


@given(st.lists(st.integers(1, 40)), st.lists(st.integers(1, 40)))
def test_spans_represent_sets_of_numbers(one: list[int], other: list[int]) -> None:
    assert numbers_of(spans(one)) == sorted(set(one))
    assert merge_spans([*spans(one), *spans(other)]) == spans([*one, *other])


def numbers_of(spans: Sequence[tuple[int, int]]) -> list[int]:
    return [number for first, last in spans for number in range(first, last + 1)]
