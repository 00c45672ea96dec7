"""Decide which alerts are sent. Pure: alerts and states in, alerts out; the time is an argument.

There are two kinds. Something *happens*: a call, or a night with little effort. It is identified by a DedupKey and sent
once. Or a condition *holds*: a device is silent. An alert is sent when it begins, and its end is stored.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anura_base.alerts.alert import Alert, AlertKey, DedupKey
from anura_base.config.alerts import Rule


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions that hold, and those whose state is unknown."""

    hold: Mapping[AlertKey, Alert]
    unknown: Set[AlertKey]


def deduplicate(
    rules: Mapping[str, Rule],
    alerts: Sequence[Alert],
    sent: Set[DedupKey],
    last_sent: Mapping[AlertKey, datetime],
    now: datetime,
) -> list[Alert]:
    """Return the alerts to send: one for each DedupKey that is not in `sent`, and none within its rule's cooldown.

    `last_sent` is the time of the last alert of each key.
    """
    fresh: list[Alert] = []
    seen, last = set(sent), dict(last_sent)
    for alert in alerts:
        if alert.dedup_key not in seen and not _in_cooldown(rules[alert.key.rule], last.get(alert.key), now):
            seen.add(alert.dedup_key)
            last[alert.key] = now
            fresh.append(alert)
    return fresh


def changed_conditions(
    rules: Mapping[str, Rule],
    conditions: Conditions,
    ongoing: Set[AlertKey],
    last_sent: Mapping[AlertKey, datetime],
    now: datetime,
) -> tuple[list[Alert], set[AlertKey]]:
    """Return an alert for each condition that has begun, and the keys of the `ongoing` conditions that have ended.

    A condition that begins within its rule's cooldown is reported after the cooldown, if it still holds.
    """
    begun = [
        replace(alert, dedup_id=now.isoformat())
        for key, alert in conditions.hold.items()
        if key not in ongoing and not _in_cooldown(rules[key.rule], last_sent.get(key), now)
    ]
    return begun, set(ongoing) - conditions.hold.keys() - conditions.unknown


def _in_cooldown(rule: Rule, last: datetime | None, now: datetime) -> bool:
    # A last time in the future comes from a clock that was wrong then, and must not suppress the rule.
    return last is not None and timedelta() <= now - last < timedelta(hours=rule.cooldown_h)
