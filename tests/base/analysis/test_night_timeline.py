from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.analysis.night_timeline import INDEX_S, calling_index, gaps, merge_intervals

intervals = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 300)).map(lambda pair: (pair[0], sum(pair))))


@settings(max_examples=50)
@given(intervals)
def test_merged_intervals_and_gaps_cover_everything(spans: list[tuple[int, int]]) -> None:
    merged = merge_intervals(spans)
    inside = {second for begin, end in spans for second in range(begin, end)}
    assert {second for begin, end in merged for second in range(begin, end)} == inside
    outside = {second for begin, end in gaps(merged, 0, 1_300) for second in range(begin, end)}
    assert outside == set(range(1_300)) - inside


def test_calling_index_is_the_filled_share_of_analysed_time() -> None:
    analysed = [(0, 5 * INDEX_S)]
    calls = [(10, 11), (INDEX_S, INDEX_S + 80), (2 * INDEX_S, 3 * INDEX_S), (4 * INDEX_S - 3, 4 * INDEX_S + 3)]
    assert calling_index(calls, analysed) == {0: 1, INDEX_S: 2, 2 * INDEX_S: 3, 3 * INDEX_S: 1, 4 * INDEX_S: 1}


def test_calling_index_counts_only_analysed_time() -> None:
    assert calling_index([(0, 50)], [(0, 60)]) == {0: 3}
    assert calling_index([(0, 50)], [(INDEX_S, 2 * INDEX_S)]) == {}
