"""Every sample has one fate, and neighbours with one fate are one stretch."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.detection.effort import EffortLedger, EffortSpan
from anura_edge.events import EffortState

ANALYSED, DROPPED = EffortState.ANALYSED, EffortState.DROPPED
steps = st.lists(st.tuples(st.sampled_from(EffortState), st.integers(-3, 50), st.booleans()), max_size=30)


@given(steps)
def test_stretches_follow_each_other_and_add_up_to_the_samples(steps: list[tuple[EffortState, int, bool]]) -> None:
    ledger = EffortLedger()
    stretches: list[EffortSpan] = []
    fates: list[EffortState] = []
    for state, samples, take in steps:
        ledger.add(state, ledger.end_sample + samples)
        fates += [state] * samples
        if take:
            held = ledger.peek()
            taken = ledger.take()
            assert taken == held
            assert ledger.peek() == []
            stretches += taken
    stretches += ledger.take()
    assert ledger.end_sample == len(fates)
    assert [state for stretch in stretches for state in [stretch.state] * stretch.samples] == fates
    ends = [0, *(stretch.first_sample + stretch.samples for stretch in stretches)]
    assert [stretch.first_sample for stretch in stretches] == ends[:-1]


@given(st.lists(st.integers(1, 50), min_size=1))
def test_neighbours_with_one_fate_become_one(lengths: list[int]) -> None:
    ledger = EffortLedger()
    for length in lengths:
        ledger.add(ANALYSED, ledger.end_sample + length)
    assert ledger.take() == [EffortSpan(ANALYSED, 0, sum(lengths))]


def test_what_is_accounted_for_is_not_counted_again() -> None:
    ledger = EffortLedger()
    ledger.add(ANALYSED, 100)
    ledger.add(DROPPED, 60)
    ledger.add(DROPPED, 100)
    assert ledger.take() == [EffortSpan(ANALYSED, 0, 100)]
    assert ledger.take() == []
