"""Every sample has one state, and neighbours with one state are one span."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.detection.effort import EffortLedger, EffortSpan
from anura_edge.events import EffortState

ANALYSED, DROPPED = EffortState.ANALYSED, EffortState.DROPPED
steps = st.lists(st.tuples(st.sampled_from(EffortState), st.integers(-3, 50), st.booleans()), max_size=30)


@given(steps)
def test_spans_add_up_to_the_samples(steps: list[tuple[EffortState, int, bool]]) -> None:
    ledger = EffortLedger()
    spans: list[EffortSpan] = []
    states: list[EffortState] = []
    for state, samples, take in steps:
        ledger.add(state, ledger.end_sample + samples)
        states += [state] * samples
        if take:
            peeked = ledger.peek(state, ledger.end_sample)
            taken = ledger.take()
            assert taken == peeked
            assert ledger.peek(state, ledger.end_sample) == []
            assert ledger.peek(state, ledger.end_sample + 1) == [EffortSpan(state, ledger.end_sample, 1)]
            assert ledger.take() == []
            spans += taken
    spans += ledger.take()
    assert ledger.end_sample == len(states)
    assert [state for span in spans for state in [span.state] * span.samples] == states
    ends = [0, *(span.first_sample + span.samples for span in spans)]
    assert [span.first_sample for span in spans] == ends[:-1]


@given(st.lists(st.integers(1, 50), min_size=1))
def test_neighbours_with_one_state_are_merged(lengths: list[int]) -> None:
    ledger = EffortLedger()
    for length in lengths:
        ledger.add(ANALYSED, ledger.end_sample + length)
    assert ledger.take() == [EffortSpan(ANALYSED, 0, sum(lengths))]


def test_sample_is_counted_once() -> None:
    ledger = EffortLedger()
    ledger.add(ANALYSED, 100)
    ledger.add(DROPPED, 60)
    ledger.add(DROPPED, 100)
    assert ledger.take() == [EffortSpan(ANALYSED, 0, 100)]
    assert ledger.take() == []
