"""Health messages become stale after three missed intervals."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from anura_edge.wire import Health, is_stale
from anura_edge.wire.health import MAX_INTERVAL_S, STALE_AFTER_MESSAGES

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def health(every_s: float) -> Health:
    return Health(
        utc=NOW, every_s=every_s, uptime_s=1, running_s=1, app_version="1", model_sha256="5f", config_hash="c",
        overruns=0, analysed_s=0, dropped_s=0, gaps=0, pending=0,
    )  # fmt: skip


@given(st.floats(1, MAX_INTERVAL_S), st.floats(0, 10))
def test_health_is_stale_after_three_intervals(every_s: float, intervals: float) -> None:
    age = timedelta(seconds=intervals * every_s)
    expected = age > timedelta(seconds=STALE_AFTER_MESSAGES * every_s)
    assert is_stale(health(every_s), NOW - age, NOW) == expected


def test_interval_counts_as_one_day_at_most() -> None:
    assert not is_stale(health(1e12), NOW - timedelta(days=3), NOW)
    assert is_stale(health(1e12), NOW - timedelta(days=3, seconds=1), NOW)


def test_retained_health_is_stale() -> None:
    assert is_stale(health(60), None, NOW)
