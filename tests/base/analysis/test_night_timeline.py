from hypothesis import given
from hypothesis import strategies as st

from anura_base.analysis.night_timeline import INDEX_S, calling_index, gaps, merge_intervals

intervals = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 300)).map(lambda pair: (pair[0], sum(pair))))


@given(intervals)
def test_a_union_and_its_gaps_are_the_whole(spans: list[tuple[int, int]]) -> None:
    joined = merge_intervals(spans)
    inside = {second for begin, end in spans for second in range(begin, end)}
    assert {second for begin, end in joined for second in range(begin, end)} == inside
    free = {second for begin, end in gaps(joined, 0, 1_300) for second in range(begin, end)}
    assert free == set(range(1_300)) - inside


def test_the_index_tells_how_much_of_the_listening_is_filled() -> None:
    heard = [(0, 5 * INDEX_S)]
    calls = [(10, 11), (INDEX_S, INDEX_S + 80), (2 * INDEX_S, 3 * INDEX_S), (4 * INDEX_S - 3, 4 * INDEX_S + 3)]
    assert calling_index(calls, heard) == {0: 1, INDEX_S: 2, 2 * INDEX_S: 3, 3 * INDEX_S: 1, 4 * INDEX_S: 1}


def test_the_index_is_of_the_part_that_was_listened_to() -> None:
    assert calling_index([(0, 50)], [(0, 60)]) == {0: 3}
    assert calling_index([(0, 50)], [(INDEX_S, 2 * INDEX_S)]) == {}
