"""The row that is refused is found, and no other row is rejected."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.delivery.poison_rows import MAX_LOST_CONNECTIONS, PoisonRowFinder


def test_batch_that_was_not_sent_is_not_suspected() -> None:
    poison_rows = PoisonRowFinder()
    for _ in range(MAX_LOST_CONNECTIONS):
        poison_rows.connection_lost([(1, 2)], "over")
    assert poison_rows.next_group() == (1, 2)
    poison_rows.connection_lost([], "over")
    assert not poison_rows.is_searching


@given(st.integers(1, 200), st.data())
def test_refused_rows_are_found_by_halving(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(1, count), min_size=1, max_size=3))
    poison_rows, seqs = PoisonRowFinder(), tuple(range(1, count + 1))
    poison_rows.refused(seqs, "bad")
    while poison_rows.groups:
        group = poison_rows.next_group()
        if bad & set(group):
            poison_rows.refused(group, "bad")
        else:
            poison_rows.passed(group)
    assert poison_rows.rejected == dict.fromkeys(bad, "bad")
    assert not poison_rows.is_searching


def test_passed_batch_is_not_suspected_later() -> None:
    poison_rows = PoisonRowFinder()
    for _ in range(3):
        poison_rows.connection_lost([(1, 2)], "over")
        poison_rows.passed((1, 2))
        poison_rows.groups.clear()
    poison_rows.connection_lost([(1, 2)], "over")
    assert not poison_rows.groups
