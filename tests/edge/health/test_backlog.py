"""The age of the backlog equals the waiting time of its oldest row."""

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.health.backlog import BacklogAge


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 50), st.integers(0, 50)), max_size=40))
def test_backlog_age_is_that_of_the_oldest_row(steps: list[tuple[float, int, int]]) -> None:
    """Compare with a model that stores the arrival time of each row. Rows arrive just before a check."""
    now, floor, arrivals = 0.0, 1, []
    backlog = BacklogAge(lambda: now)
    for pause_s, new, delivered in steps:
        now += pause_s
        arrivals += [now] * new
        floor = min(floor + delivered, len(arrivals) + 1)
        age_s = backlog.age_s(floor, len(arrivals) + 1 - floor)
        assert age_s == (now - arrivals[floor - 1] if floor <= len(arrivals) else None)
