"""Threads get the lock in the order of their requests."""

import threading

import pytest
from support import eventually

from anura_base.db.fifo_lock import FifoLock


def test_lock_is_granted_in_order_to_one_thread_at_a_time() -> None:
    lock, served, inside = FifoLock(), [], []

    def acquire(number: int) -> None:
        with lock.hold():
            inside.append(number)
            assert inside == [number]
            served.append(number)
            inside.clear()

    with lock.hold():
        threads = []
        for number in range(20):
            threads.append(threading.Thread(target=acquire, args=(number,)))
            threads[-1].start()
            eventually(lambda: len(lock._waiting) == len(threads))
    for thread in threads:
        thread.join()
    assert served == [*range(20)]


def test_thread_that_had_the_lock_waits_for_the_others() -> None:
    lock, order = FifoLock(), []
    other = threading.Thread(target=lambda: _append(lock, order, "other"))
    with lock.hold():
        other.start()
        eventually(lambda: lock._waiting)
    _append(lock, order, "again")
    other.join()
    assert order == ["other", "again"]


def test_lock_is_released_after_an_exception() -> None:
    lock = FifoLock()
    with pytest.raises(ZeroDivisionError), lock.hold():
        1 / 0  # noqa: B018
    with lock.hold():
        pass


def _append(lock: FifoLock, order: list[str], name: str) -> None:
    with lock.hold():
        order.append(name)
