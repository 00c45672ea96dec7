"""Each published row is in one state, and only a published row is acknowledged."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.delivery.row_states import RowStates

SEQS = st.sets(st.integers(1, 20), max_size=8)
STEPS = st.lists(st.tuples(st.sampled_from(["publish", "resend", "acknowledge", "recorded"]), SEQS), max_size=20)


@given(STEPS)
def test_states_exclude_each_other(steps: list[tuple[str, set[int]]]) -> None:
    rows = RowStates()
    for name, seqs in steps:
        getattr(rows, name)(seqs)
        assert not rows._sent.keys() & (rows._resend | rows._delivered)
        assert all(rows.may_publish(seq) != (seq in rows._sent or seq in rows._delivered) for seq in range(1, 21))


def test_only_published_rows_are_unacknowledged() -> None:
    rows = RowStates()
    rows.publish([3, 4])
    rows.resend([4])
    assert rows.unacknowledged(range(1, 101)) == {3, 4}
    rows.acknowledge([3])
    assert rows.unacknowledged(range(1, 101)) == {4}
    assert rows.delivered == {3}


def test_row_before_a_received_one_is_lost() -> None:
    rows = RowStates()
    for seq in (1, 2, 3):
        rows.publish([seq])
    assert rows.lost({3}, in_flight={2}) == [1]
    assert rows.lost({1}, in_flight=()) == []
