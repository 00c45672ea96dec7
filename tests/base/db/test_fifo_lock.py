"""Who asks first is served first, however quick the others are."""

import threading

import pytest
from support import eventually

from anura_base.db.fifo_lock import Turns


def test_turns_come_in_the_order_of_asking_and_one_at_a_time() -> None:
    turns, served, inside = Turns(), [], []

    def ask(number: int) -> None:
        with turns.next():
            inside.append(number)
            assert inside == [number]
            served.append(number)
            inside.clear()

    with turns.next():
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            eventually(lambda: len(turns._waiting) == len(threads))
    for thread in threads:
        thread.join()
    assert served == [*range(20)]


def test_who_has_just_had_a_turn_waits_for_those_who_wait() -> None:
    turns, order = Turns(), []
    other = threading.Thread(target=lambda: _note(turns, order, "other"))
    with turns.next():
        other.start()
        eventually(lambda: turns._waiting)
    _note(turns, order, "again")
    other.join()
    assert order == ["other", "again"]


def test_a_turn_that_fails_is_given_on() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.next():
        1 / 0  # noqa: B018
    with turns.next():
        pass


def _note(turns: Turns, order: list[str], name: str) -> None:
    with turns.next():
        order.append(name)
