"""The row that is refused is found, and no other row is rejected."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.delivery.poison_rows import (
    MAX_LOST_CONNECTIONS,
    MAX_REFUSALS,
    MAX_WAITING_ROWS,
    PoisonRowFinder,
)


def test_batch_that_was_not_sent_is_not_suspected() -> None:
    poison_rows = PoisonRowFinder()
    for _ in range(MAX_LOST_CONNECTIONS):
        poison_rows.connection_lost([("t", (1, 2))], "over")
    assert poison_rows.next_group() == (1, 2)
    poison_rows.connection_lost([], "over")
    assert not poison_rows.is_searching


@given(st.integers(4, 200), st.data())
def test_refused_rows_are_found_by_halving(count: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.integers(1, count), min_size=1, max_size=MAX_WAITING_ROWS))
    poison_rows, seqs = PoisonRowFinder(), tuple(range(1, count + 1))
    rejected = dict(poison_rows.refused("t", seqs, "bad"))
    while poison_rows.groups:
        group = poison_rows.next_group()
        if bad & set(group):
            rejected |= dict(poison_rows.refused("t", group, "bad"))
        else:
            poison_rows.passed(group)
            poison_rows.acknowledged("t", group)
    for _ in range(MAX_REFUSALS):  # the receiver goes on to accept others
        poison_rows.acknowledged("t", [count + 1])
        while poison_rows.groups:
            rejected |= dict(poison_rows.refused("t", poison_rows.next_group(), "bad"))
    assert rejected == dict.fromkeys(bad, "bad")
    assert not poison_rows.is_searching
    assert not poison_rows.refused_rows


@given(st.lists(st.sampled_from(["refused", "retry", "other topic"]), max_size=40))
def test_row_is_not_rejected_while_no_other_of_its_topic_is_acknowledged(history: list[str]) -> None:
    """As where a broker ends the connection at each row of a topic, although it accepts other topics."""
    poison_rows = PoisonRowFinder()
    for each in history:
        if each == "refused":
            assert not poison_rows.refused("events", [1], "connection lost")
        elif each == "retry":
            poison_rows.retry_all()
        else:
            poison_rows.acknowledged("effort", [2])


def test_topic_pauses_if_all_of_its_rows_are_refused() -> None:
    poison_rows = PoisonRowFinder()
    poison_rows.refused("effort", [99], "bad")
    for seq in range(MAX_WAITING_ROWS):
        poison_rows.refused("events", [seq], "bad")
    assert not poison_rows.give_up("events")
    poison_rows.refused("events", [MAX_WAITING_ROWS], "bad")
    assert not poison_rows.give_up("effort")
    assert poison_rows.give_up("events")
    assert [*poison_rows.refused_rows] == [99], "its rows are sent as before when the pause is over"


def test_passed_batch_is_not_suspected_later() -> None:
    poison_rows = PoisonRowFinder()
    for _ in range(3):
        poison_rows.connection_lost([("t", (1, 2))], "over")
        poison_rows.passed((1, 2))
        poison_rows.groups.clear()
    poison_rows.connection_lost([("t", (1, 2))], "over")
    assert not poison_rows.groups
