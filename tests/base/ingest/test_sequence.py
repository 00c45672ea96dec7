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
def test_order_and_repetition_change_nothing(history: list[Batch], random) -> None:  # noqa: ANN001
    shuffled = [*history, *history[::2]]
    random.shuffle(shuffled)
    assert after(shuffled) == after(history)


@given(batches)
def test_how_rows_are_split_into_batches_changes_nothing(history: list[Batch]) -> None:
    singles = [([number], floor) for numbers, floor in history for number in numbers]
    empty = [([], floor) for numbers, floor in history]
    assert after(singles + empty) == after(history)


@given(batches)
def test_an_acknowledgement_never_exceeds_what_is_committed(history: list[Batch]) -> None:
    committed = {number for numbers, _ in history for number in numbers if number >= 1}
    floor = max([1, *(floor for _, floor in history)])
    progress = after(history)
    up_to = set(range(1, progress.contiguous + 1))
    assert all(number in committed or number < floor for number in up_to)
    assert progress.contiguous + 1 >= floor
    assert progress.contiguous + 1 not in committed
    assert progress.missing == len(up_to - committed)


@given(batches)
def test_an_acknowledgement_never_goes_back(history: list[Batch]) -> None:
    acks = [after(history[:count]).contiguous for count in range(len(history) + 1)]
    assert acks == sorted(acks)


def test_a_late_row_is_missing_no_more() -> None:
    progress = after([([4], 4)])
    assert (progress.contiguous, progress.missing) == (4, 3)
    assert progress.add([2], 1).missing == 2


def test_a_long_journal_takes_no_more_room_than_a_short_one() -> None:
    assert after([(list(range(1, 10_001)), 1)]).received == ((1, 10_000),)


@given(batches, st.integers(0, 45))
def test_what_lacks_is_what_can_still_come_and_has_not(history: list[Batch], below: int) -> None:
    progress = after(history)
    came = {number for numbers, _ in history for number in numbers}
    lacking = progress.gaps_below(below, 100)
    assert numbers_of(lacking) == [n for n in range(progress.floor, below) if n not in came]
    assert lacking == spans(numbers_of(lacking)), "no two of them touch"
    assert progress.gaps_below(below, 2) == lacking[:2]


@given(st.lists(st.integers(1, 40)), st.lists(st.integers(1, 40)))
def test_spans_are_sets_of_numbers(some: list[int], others: list[int]) -> None:
    assert numbers_of(spans(some)) == sorted(set(some))
    assert merge_spans([*spans(some), *spans(others)]) == spans([*some, *others])


def numbers_of(spans: Sequence[tuple[int, int]]) -> list[int]:
    return [number for first, last in spans for number in range(first, last + 1)]
