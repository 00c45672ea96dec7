from datetime import UTC, date, datetime, timedelta

import pytest

from anura_base.alerts.effort_rules import GRACE, low_effort_alerts
from anura_base.config.alerts import EffortLow, Rule
from anura_edge.events import night_of_local_time

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def night_of(_site: str, moment: datetime) -> date:
    return night_of_local_time(moment)


def nights(*hours: float) -> dict[tuple[str, str], dict[date, float]]:
    """Hours of each night; the last night is complete. -1 is a night without rows."""
    last = night_of("pond", NOW - GRACE) - timedelta(days=1)
    return {("pond", "one"): {last - timedelta(days=back): h for back, h in enumerate(reversed(hours)) if h >= 0}}


@pytest.mark.parametrize(
    ("hours", "raised"),
    [
        ((10, 10, 10, 10), False),
        ((10, 10, 10, 5), False),
        ((10, 10, 10, 4.9), True),
        ((10, 10, 10, -1), True),
        ((10, 4), False),  # from one night the usual effort is unknown
        ((0, 0, 0, 0), False),
    ],
)
def test_night_with_little_effort_raises_an_alert(hours: tuple[float, ...], raised: bool) -> None:
    rules: dict[str, Rule] = {"idle": EffortLow(when="effort_low", baseline_nights=3)}
    found = low_effort_alerts(rules, nights(*hours), night_of, NOW)
    assert bool(found) is raised
    later = low_effort_alerts(rules, nights(*hours), night_of, NOW + timedelta(hours=3))
    assert [alert.dedup_key for alert in later] == [alert.dedup_key for alert in found], "the same night"
