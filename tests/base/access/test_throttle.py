"""The throttle's laws."""

from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.access.throttle import Throttle

LAW = settings(max_examples=50, deadline=None)
GAPS = st.lists(st.floats(0, 300), min_size=1, max_size=100)


@LAW
@given(gaps=GAPS)
def test_in_no_stretch_of_time_more_than_twice_the_tries_get_through(gaps: list[float]) -> None:
    throttle, now_s, passed = Throttle(tries=5, per_s=600), 0.0, []
    for gap in gaps:
        now_s += gap
        if throttle.wait_s("key", now_s) == 0:
            throttle.take("key", now_s)
            passed.append(now_s)
    for begin in passed:
        assert sum(begin <= moment <= begin + 600 for moment in passed) <= 10


@LAW
@given(gaps=GAPS)
def test_who_waits_as_told_gets_through(gaps: list[float]) -> None:
    throttle, now_s = Throttle(tries=5, per_s=600), 0.0
    for gap in gaps:
        now_s += gap
        now_s += throttle.wait_s("key", now_s) + 1e-6  # what is added up is rounded
        assert throttle.wait_s("key", now_s) == 0
        throttle.take("key", now_s)


def test_the_first_tries_need_not_wait_and_the_next_must() -> None:
    throttle = Throttle(tries=5, per_s=600)
    for _ in range(5):
        assert throttle.wait_s("key", 0) == 0
        throttle.take("key", 0)
    assert throttle.wait_s("key", 0) == 120
    assert throttle.wait_s("another", 0) == 0


def test_a_try_that_was_none_is_given_back() -> None:
    throttle = Throttle(tries=2, per_s=600)
    for _ in range(2):
        throttle.take("key", 0)
    throttle.give_back("key", 0)
    assert throttle.wait_s("key", 0) == 0
    throttle.take("key", 0)
    assert throttle.wait_s("key", 0) == 300
    for _ in range(5):
        throttle.give_back("key", 0)
    assert len(throttle) == 0


def test_who_knew_the_password_has_all_tries_again() -> None:
    throttle = Throttle(tries=1, per_s=600)
    throttle.take("key", 0)
    throttle.forget("key")
    throttle.forget("key")
    assert throttle.wait_s("key", 0) == 0


@LAW
@given(keys=st.lists(st.sampled_from([str(n) for n in range(30)]), max_size=60))
def test_a_crowd_of_names_takes_no_memory_and_the_latest_are_remembered(keys: list[str]) -> None:
    throttle = Throttle(tries=1, per_s=1e9, max_keys=10)
    for key in keys:
        throttle.take(key, 0)
        assert len(throttle) <= 10
        assert throttle.wait_s(key, 0) > 0
