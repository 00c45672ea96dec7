"""The rate limit for passwords."""

from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.access.throttle import Throttle

LAW = settings(max_examples=50, deadline=None)
GAPS = st.lists(st.floats(0, 300), min_size=1, max_size=100)


@LAW
@given(gaps=GAPS)
def test_any_period_allows_at_most_twice_the_tries(gaps: list[float]) -> None:
    throttle, now_s, passed = Throttle(tries=5, per_s=600), 0.0, []
    for gap in gaps:
        now_s += gap
        if throttle.wait_s("key", now_s) == 0:
            throttle.count("key", now_s)
            passed.append(now_s)
    for begin in passed:
        assert sum(begin <= moment <= begin + 600 for moment in passed) <= 10


@LAW
@given(gaps=GAPS)
def test_a_try_after_the_waiting_time_is_allowed(gaps: list[float]) -> None:
    throttle, now_s = Throttle(tries=5, per_s=600), 0.0
    for gap in gaps:
        now_s += gap
        now_s += throttle.wait_s("key", now_s) + 1e-6  # sums of floats are rounded
        assert throttle.wait_s("key", now_s) == 0
        throttle.count("key", now_s)


def test_tries_beyond_the_limit_must_wait() -> None:
    throttle = Throttle(tries=5, per_s=600)
    for _ in range(5):
        assert throttle.wait_s("key", 0) == 0
        throttle.count("key", 0)
    assert throttle.wait_s("key", 0) == 120
    assert throttle.wait_s("another", 0) == 0


def test_a_refunded_try_does_not_count() -> None:
    throttle = Throttle(tries=2, per_s=600)
    for _ in range(2):
        throttle.count("key", 0)
    throttle.refund("key", 0)
    assert throttle.wait_s("key", 0) == 0
    throttle.count("key", 0)
    assert throttle.wait_s("key", 0) == 300
    for _ in range(5):
        throttle.refund("key", 0)
    assert len(throttle) == 0


def test_reset_removes_all_tries() -> None:
    throttle = Throttle(tries=1, per_s=600)
    throttle.count("key", 0)
    throttle.reset("key")
    throttle.reset("key")
    assert throttle.wait_s("key", 0) == 0


@LAW
@given(keys=st.lists(st.sampled_from([str(n) for n in range(30)]), max_size=60))
def test_only_the_latest_keys_are_stored(keys: list[str]) -> None:
    throttle = Throttle(tries=1, per_s=1e9, max_keys=10)
    for key in keys:
        throttle.count(key, 0)
        assert len(throttle) <= 10
        assert throttle.wait_s(key, 0) > 0
