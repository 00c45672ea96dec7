from datetime import UTC, datetime, timedelta

import pytest

from anura_base.alerts.alert import AlertKey
from anura_base.alerts.device_rules import DeviceState, device_conditions
from anura_base.alerts.engine import Conditions, changed_conditions
from anura_base.config.alerts import DeviceHealth, DeviceSilent, Rule
from anura_edge.wire import Health

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

HEALTHY = Health(
    utc=NOW, every_s=60, uptime_s=1, running_s=1, app_version="1", model_sha256="0", config_hash="0", overruns=0,
    analysed_s=1, dropped_s=0, gaps=0, pending=0, disk_free_bytes=10**10, temperature_c=40, clock_synchronised=True,
)  # fmt: skip
ALL_LIMITS = DeviceHealth(
    when="device_health", disk_below_gb=2, backlog_above_rows=100, backlog_above_h=2, temperature_above_c=70,
    clock_not_synchronised=True, any_problem=True,
)  # fmt: skip


def device(silent_h: float = 0, health: Health | None = HEALTHY, health_age_s: float | None = 0) -> DeviceState:
    received_utc = None if health_age_s is None else NOW - timedelta(seconds=health_age_s)
    return DeviceState("pond", "one", NOW - timedelta(hours=silent_h), health, received_utc)


@pytest.mark.parametrize(
    ("change", "part", "text"),
    [
        ({"disk_free_bytes": 10**9}, "disk", "1.0 GB"),
        ({"pending": 1_001}, "backlog", "1,001 rows wait"),
        ({"oldest_pending_s": 10_000}, "waiting", "3 h"),
        ({"temperature_c": 81.2}, "temperature", "81 °C"),
        ({"clock_synchronised": False}, "clock", "clock"),
        ({"problems": ("the microphone is gone",)}, "problem", "the microphone is gone"),
    ],
)
def test_value_beyond_a_limit_raises_an_alert(change: dict[str, object], part: str, text: str) -> None:
    state = device(health=HEALTHY.model_copy(update=change))
    (alert,) = device_conditions({"unwell": ALL_LIMITS}, [state], NOW, NOW).hold.values()
    assert alert.key == AlertKey("unwell", f"pond/one {part}")
    assert text in alert.text


def test_healthy_device_raises_no_alert() -> None:
    assert device_conditions({"unwell": ALL_LIMITS}, [device()], NOW, NOW) == Conditions({}, set())


@pytest.mark.parametrize("state", [device(health=None), device(health_age_s=181), device(health_age_s=None)])
def test_stale_health_neither_begins_nor_ends_a_condition(state: DeviceState) -> None:
    conditions = device_conditions({"unwell": ALL_LIMITS}, [state], NOW, NOW)
    assert len(conditions.unknown) == 6
    ongoing = {AlertKey("unwell", "pond/one disk")}
    assert changed_conditions({"unwell": ALL_LIMITS}, conditions, ongoing, {}, NOW) == ([], set())


def test_device_that_was_last_seen_by_a_wrong_clock_can_be_silent() -> None:
    """The clock of the base station was years ahead when the last message arrived."""
    rules: dict[str, Rule] = {"silent": DeviceSilent(when="device_silent", after_h=6)}
    states = [device(silent_h=-24 * 730)]
    assert device_conditions(rules, states, NOW - timedelta(hours=7), NOW).hold
    assert not device_conditions(rules, states, NOW - timedelta(hours=5), NOW).hold


def test_device_is_silent_only_after_the_start_of_the_server() -> None:
    rules: dict[str, Rule] = {"silent": DeviceSilent(when="device_silent", after_h=6)}
    long_ago, just_now = NOW - timedelta(days=1), NOW - timedelta(hours=1)
    assert not device_conditions(rules, [device(silent_h=5.9)], long_ago, NOW).hold
    assert device_conditions(rules, [device(silent_h=6)], long_ago, NOW).hold
    assert not device_conditions(rules, [device(silent_h=6)], just_now, NOW).hold
