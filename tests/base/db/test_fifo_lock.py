"""Who asks first is served first, however quick the others are."""

import threading

import pytest
from support import eventually

from anura_base.db.fifo_lock import FifoLock


def test_turns_come_in_the_order_of_asking_and_one_at_a_time() -> None:
    turns, served, inside = FifoLock(), [], []

    def ask(number: int) -> None:
        with turns.hold():
            inside.append(number)
            assert inside == [number]
            served.append(number)
            inside.clear()

    with turns.hold():
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            eventually(lambda: len(turns._waiting) == len(threads))
    for thread in threads:
        thread.join()
    assert served == [*range(20)]


def test_who_has_just_had_a_turn_waits_for_those_who_wait() -> None:
    turns, order = FifoLock(), []
    other = threading.Thread(target=lambda: _note(turns, order, "other"))
    with turns.hold():
        other.start()
        eventually(lambda: turns._waiting)
    _note(turns, order, "again")
    other.join()
    assert order == ["other", "again"]


def test_a_turn_that_fails_is_given_on() -> None:
    turns = FifoLock()
    with pytest.raises(ZeroDivisionError), turns.hold():
        1 / 0  # noqa: B018
    with turns.hold():
        pass


def _note(turns: FifoLock, order: list[str], name: str) -> None:
    with turns.hold():
        order.append(name)
