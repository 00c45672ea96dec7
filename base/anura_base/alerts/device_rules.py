"""Rules about devices: a silent device, and limits on its health. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from anura_base.alerts.alert import Alert, AlertKey, printable
from anura_base.alerts.engine import Conditions
from anura_base.config.alerts import DeviceHealth, DeviceSilent, Rule
from anura_edge.wire import Health, is_stale

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The parts of a device's state that rules use."""

    site: str
    device: str
    last_seen_utc: datetime | None
    health: Health | None
    health_received_utc: datetime | None

    @property
    def subject(self) -> str:
        """Its name in an alert."""
        return f"{self.site}/{self.device}"


HealthCheck = Callable[[Health], str | None]
"""Returns a description of the problem, an empty text without a problem, None if the message has no value for it."""


def device_conditions(
    rules: Mapping[str, Rule], devices: Sequence[DeviceState], started_utc: datetime, now: datetime
) -> Conditions:
    """Return which conditions hold. Before `started_utc` the base station could not receive messages."""
    hold: dict[AlertKey, Alert] = {}
    unknown: set[AlertKey] = set()
    for name, rule in rules.items():
        for device in devices:
            if rule.sites and device.site not in rule.sites:
                continue
            if isinstance(rule, DeviceSilent) and (alert := _silence(name, rule, device, started_utc, now)):
                hold[alert.key] = alert
            elif isinstance(rule, DeviceHealth):
                for part, text in _check_health(rule, device, now):
                    key = AlertKey(name, f"{device.subject} {part}")
                    if text is None:
                        unknown.add(key)
                    elif text:
                        hold[key] = _alert(key, device, now, f"{device.subject}: {text}")
    return Conditions(hold, unknown)


def _alert(key: AlertKey, device: DeviceState, moment_utc: datetime, text: str) -> Alert:
    return Alert(key, "", device.site, device.device, moment_utc, text)


def _silence(name: str, rule: DeviceSilent, device: DeviceState, started_utc: datetime, now: datetime) -> Alert | None:
    last = device.last_seen_utc
    if last is not None and last > now:  # from a clock that was wrong
        last = started_utc
    if last is None or now - max(last, started_utc) < timedelta(hours=rule.after_h):
        return None
    text = f"{device.subject} sent its last message at {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return _alert(AlertKey(name, device.subject), device, last, text)


def _check_health(rule: DeviceHealth, device: DeviceState, now: datetime) -> Iterator[tuple[str, str | None]]:
    """Yield each part that the rule checks with the result of its HealthCheck, None if the message is stale."""
    health = device.health
    if health and is_stale(health, device.health_received_utc, now):
        health = None
    for part, check in _health_checks(rule).items():
        yield part, None if health is None else check(health)


def _health_checks(rule: DeviceHealth) -> dict[str, HealthCheck]:
    """Return the checks for the limits that a rule sets."""
    checks: dict[str, HealthCheck] = {}
    if (gb := rule.disk_below_gb) is not None:
        checks["disk"] = lambda health: _describe(health.disk_free_bytes, lambda free: free < gb * 1e9, _disk)
    if (rows := rule.backlog_above_rows) is not None:
        checks["backlog"] = lambda health: _describe(health.pending, lambda n: n > rows, "{:,} rows wait".format)
    if (hours := rule.backlog_above_h) is not None:
        checks["waiting"] = lambda health: _describe(
            health.oldest_pending_s or 0.0, lambda waiting_s: waiting_s > hours * 3_600, _waiting
        )
    if (limit_c := rule.temperature_above_c) is not None:
        checks["temperature"] = lambda health: _describe(
            health.temperature_c, lambda degrees: degrees > limit_c, "{:.0f} °C".format
        )
    if rule.clock_not_synchronised:
        checks["clock"] = lambda health: _describe(health.clock_synchronised, lambda right: not right, _clock)
    if rule.any_problem:
        checks["problem"] = lambda health: _describe(health.problems, bool, _problems)
    return checks


def _describe(value: T | None, is_wrong: Callable[[T], bool], describe: Callable[[T], str]) -> str | None:
    if value is None:
        return None
    return describe(value) if is_wrong(value) else ""


def _disk(free_bytes: int) -> str:
    return f"{free_bytes / 1e9:.1f} GB of disk are free"


def _waiting(waiting_s: float) -> str:
    return f"its oldest row has waited for {waiting_s / 3_600:.0f} h"


def _problems(problems: tuple[str, ...]) -> str:
    return "; ".join(printable(problem) for problem in problems)


def _clock(_synchronised: bool) -> str:
    return "its clock is not synchronised"
