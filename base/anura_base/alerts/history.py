"""Queries of alerts for the page and the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from anura_base.alerts.tables import deliveries, firings
from anura_base.config.alerts import AlertSettings, Rule
from anura_edge.errors import ConfigError

LATEST = 200


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """The delivery of an alert to one channel."""

    channel: str
    delivered_utc: datetime | None
    next_try_utc: datetime | None
    """When it is tried again; None if it was delivered or given up."""
    tries: int
    error: str | None
    """Why the last try failed."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert in the database, for pages and the API."""

    arrival: int
    """Its number; a later alert has a higher one."""
    rule: str
    subject: str
    site: str
    device: str
    moment_utc: datetime
    """When it happened or began, as far as is known."""
    fired_utc: datetime
    over_utc: datetime | None
    """When the condition ended; None while it holds."""
    text: str
    deliveries: list[DeliveryView]
    acknowledged_utc: datetime | None
    """When a person acknowledged it."""
    acknowledged_by: str | None


@dataclass(frozen=True, slots=True)
class RuleView:
    """An alert rule and its state, for pages and the API."""

    name: str
    when: str
    channels: tuple[str, ...]
    limits: dict[str, Any]
    ongoing: int
    last_utc: datetime | None


def alerts_after(connection: Connection, arrival: int, limit: int) -> list[AlertView]:
    """Return at most `limit` alerts in order, from the one after number `arrival`."""
    query = select(firings).where(firings.c.arrival > arrival).order_by(firings.c.arrival).limit(limit)
    return _views(connection, connection.execute(query).all())


def latest(connection: Connection) -> list[AlertView]:
    """Return the ongoing alerts and the latest ones, the newest first."""
    newest = select(firings).order_by(firings.c.arrival.desc()).limit(LATEST)
    ongoing = select(firings).where(firings.c.over_utc.is_(None)).order_by(firings.c.arrival.desc()).limit(LATEST)
    rows = {row.arrival: row for query in (newest, ongoing) for row in connection.execute(query)}
    return _views(connection, [rows[arrival] for arrival in sorted(rows, reverse=True)])


def count_active(connection: Connection) -> int:
    """Return the number of alerts whose condition holds and which are not acknowledged."""
    active = firings.c.over_utc.is_(None), firings.c.acknowledged_utc.is_(None)
    return connection.scalar(select(func.count()).select_from(firings).where(*active)) or 0


def acknowledge(connection: Connection, arrival: int, who: str, now: datetime) -> None:
    """Store that a person has seen an alert. The first person counts.

    Raises ConfigError if there is no such alert.
    """
    values = {"acknowledged_utc": now, "acknowledged_by": who}
    is_new = firings.c.arrival == arrival, firings.c.acknowledged_utc.is_(None)
    changed = connection.execute(update(firings).where(*is_new).values(values)).rowcount
    if not changed and connection.scalar(select(firings.c.arrival).where(firings.c.arrival == arrival)) is None:
        raise ConfigError(f"there is no alert {arrival}; it may have been deleted, because it was old")


def rule_views(alerts: AlertSettings, shown: Sequence[AlertView]) -> list[RuleView]:
    """Return each rule of the settings, with its state in the alerts `shown`."""
    return [
        _rule_view(alerts, name, rule, [view for view in shown if view.rule == name])
        for name, rule in alerts.rules.items()
    ]


def _rule_view(alerts: AlertSettings, name: str, rule: Rule, shown: Sequence[AlertView]) -> RuleView:
    limits = rule.model_dump(exclude={"when", "channels"}, exclude_defaults=True)
    last = max((view.fired_utc for view in shown), default=None)
    ongoing = sum(view.over_utc is None for view in shown)
    return RuleView(name, rule.when.replace("_", " "), alerts.channels_of(name), limits, ongoing, last)


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[AlertView]:
    by_alert: dict[int, list[DeliveryView]] = {row.arrival: [] for row in rows}
    query = select(deliveries).where(deliveries.c.firing.in_(list(by_alert))).order_by(deliveries.c.channel)
    for d in connection.execute(query):
        view = DeliveryView(d.channel, d.delivered_utc, d.next_try_utc, d.tries, d.error)
        by_alert[d.firing].append(view)
    return [
        AlertView(
            row.arrival, row.rule, row.subject, row.site, row.device, row.moment_utc, row.fired_utc, row.over_utc,
            row.text, by_alert[row.arrival], row.acknowledged_utc, row.acknowledged_by,
        )
        for row in rows
    ]  # fmt: skip
