"""Evaluate the rules on the rows of the database, and store the alerts.

New alerts are committed in one transaction with the position up to which events were read, so none is lost or sent
twice.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from anura_base.alerts import store
from anura_base.alerts.alert import Alert, NightOf
from anura_base.alerts.call_rules import CallInfo, call_alerts
from anura_base.alerts.device_rules import DeviceState, device_conditions
from anura_base.alerts.effort_rules import low_effort_alerts
from anura_base.alerts.engine import changed_conditions, deduplicate
from anura_base.analysis.effort import analysed_hours_by_night
from anura_base.analysis.sites import all_sites
from anura_base.analysis.stored_settings import alerts_in_force
from anura_base.analysis.verdicts import IS_AS_REPORTED, JUDGED_EVENTS
from anura_base.config.alerts import AlertSettings, CallRule, EffortLow, Rule
from anura_base.config.settings import Site
from anura_base.db.engine import is_outage, write_transaction
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.polling import poll_until
from anura_base.db.queries import is_retired, latest_health, rows_after
from anura_base.db.schema import devices, effort, events, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.nights import night_date

log = logging.getLogger(__name__)

EVALUATE_EVERY_S = 2.0
"""Time from the arrival of a call to its alert, at most."""

DEVICES_EVERY = timedelta(minutes=1)
EFFORT_EVERY = timedelta(minutes=15)

MAX_EVENTS = 500
"""Events that are evaluated in one transaction."""


class AlertEvaluator:
    """Evaluates the rules periodically."""

    def __init__(self, engine: Engine, settings: AlertSettings, known_sites: Mapping[str, Site]) -> None:
        self._engine = engine
        self._of_file = self._settings = settings
        self._rules: Mapping[str, Rule] = {}
        self._had_no_rule = False
        self._known_sites = known_sites
        self._started_utc = datetime.now(UTC)
        self._devices_due = self._effort_due = self._started_utc

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set. After a database error, try again."""
        poll_until(stop, EVALUATE_EVERY_S, lambda: self.evaluate(datetime.now(UTC)), "cannot evaluate alert rules")

    def evaluate(self, now: datetime) -> None:
        """Evaluate all new calls, and devices and effort when they are due."""
        self._read_rules(now)
        if not self._rules:
            return
        while self._evaluate_calls(now):
            pass
        if _is_due(self._devices_due, DEVICES_EVERY, now):
            self._evaluate_devices(now)
            self._devices_due = now + DEVICES_EVERY
        if _is_due(self._effort_due, EFFORT_EVERY, now) and any(
            isinstance(rule, EffortLow) for rule in self._rules.values()
        ):
            self._evaluate_effort(now)
            self._effort_due = now + EFFORT_EVERY

    def _read_rules(self, now: datetime) -> None:
        """Read the rules, which people may have changed on the pages. A first rule begins with the next call."""
        with self._engine.connect() as connection:
            self._settings = alerts_in_force(connection, self._of_file)
            self._rules = self._settings.rules
            newest = connection.scalar(select(func.max(events.c.arrival))) or 0
            ended = set() if self._rules else store.ongoing(connection)
        starts = self._had_no_rule and bool(self._rules)
        self._had_no_rule = not self._rules
        if starts or ended:
            with write_transaction(self._engine) as connection:
                for key in ended:
                    store.end(connection, key, now)
                if starts:
                    store.set_position(connection, newest)

    def _evaluate_calls(self, now: datetime) -> bool:
        """Evaluate up to MAX_EVENTS new events; return whether there may be more."""
        with self._engine.connect() as connection:
            after = store.position(connection)
            first_start = after is None
            if after is None:  # events from before the first start cause no alerts
                after = connection.scalar(select(func.max(events.c.arrival))) or 0
            rows = rows_after(connection, events, after, MAX_EVENTS)
            if not rows and not first_start:
                return False  # no write every two seconds to a disk that may be an SD card
            unusable: list[tuple[Incident, datetime]] = []
            reliable = [row for row in rows if row["is_reliable"]]
            fresh = self._call_alerts(connection, reliable, after, now, unusable)
        with write_transaction(self._engine) as connection:
            store.set_position(connection, rows[-1]["arrival"] if rows else after)
            store.save(connection, fresh, self._settings, now, over_utc=now)
            report(connection, unusable)
        return len(rows) == MAX_EVENTS

    def _call_alerts(
        self,
        connection: Connection,
        rows: Sequence[Mapping[str, Any]],
        after: int,
        now: datetime,
        unusable: list[tuple[Incident, datetime]],
    ) -> list[Alert]:
        """Evaluate events. If that fails, find the events that cause it by halving, and leave them out."""
        if not any(isinstance(rule, CallRule) for rule in self._rules.values()):
            return []
        try:
            return self._evaluate_together(connection, [_call_info(row) for row in rows], after, now)
        except Exception as error:  # a value of a row may cause any error, and no row may end the alerts
            if is_outage(error) or not rows:
                raise
            if len(rows) == 1:
                unusable.append((_incident(rows[0], error), now))
                return []
        half = len(rows) // 2
        earlier = self._call_alerts(connection, rows[:half], after, now, unusable)
        later = self._call_alerts(connection, rows[half:], rows[half - 1]["arrival"], now, unusable)
        return [*earlier, *later]

    def _evaluate_together(
        self, connection: Connection, calls: list[CallInfo], after: int, now: datetime
    ) -> list[Alert]:
        last_calls = _last_calls(connection, {(call.site, call.species) for call in calls}, after)
        night_of = _night_of(all_sites(connection, self._known_sites))
        return self._fresh(connection, call_alerts(self._rules, calls, last_calls, night_of, now), now)

    def _evaluate_devices(self, now: datetime) -> None:
        with self._engine.connect() as connection:
            states = _device_states(connection)
            ongoing = store.ongoing(connection)
            conditions = device_conditions(self._rules, states, self._started_utc, now)
            last_sent = store.last_sent(connection, conditions.hold)
        begun, ended = changed_conditions(self._rules, conditions, ongoing, last_sent, now)
        if begun or ended:
            with write_transaction(self._engine) as connection:
                for key in ended:
                    store.end(connection, key, now)
                store.save(connection, begun, self._settings, now, over_utc=None)

    def _evaluate_effort(self, now: datetime) -> None:
        nights = max(rule.baseline_nights for rule in self._rules.values() if isinstance(rule, EffortLow))
        since = now - timedelta(days=nights + 3)
        with self._engine.connect() as connection:
            sites = all_sites(connection, self._known_sites)
            # With all sites by name, the index on site and time gives the last nights of each.
            recent = effort.c.site.in_(sites), effort.c.start_utc >= since, ~unknown_clock(effort)
            hours = analysed_hours_by_night(connection, sites, *recent)
            found = low_effort_alerts(self._rules, hours, _night_of(sites), now)
            fresh = self._fresh(connection, found, now)
        if fresh:
            with write_transaction(self._engine) as connection:
                store.save(connection, fresh, self._settings, now, over_utc=now)

    def _fresh(self, connection: Connection, found: Sequence[Alert], now: datetime) -> list[Alert]:
        # These reads come before the write transaction: SQLite refuses a transaction that has read and writes after
        # another one. If a second base station saves the same alert meanwhile, the table's constraint refuses it.
        sent = store.sent(connection, {alert.dedup_key for alert in found})
        last_sent = store.last_sent(connection, {alert.key for alert in found})
        return deduplicate(self._rules, found, sent, last_sent, now)


def _incident(row: Mapping[str, Any], error: Exception) -> Incident:
    log.error("the alert rules and event %s", row["id"], exc_info=error)
    detail = f"the alert rules cannot use the call {row['id']}: {error}"
    return Incident(IncidentKind.UNUSABLE, row["site"], row["device"], str(row["id"]), detail)


def _is_due(due: datetime, every: timedelta, now: datetime) -> bool:
    """Return whether a time has come. A time that is too far away was set while the clock was wrong."""
    return not now < due <= now + every


def _call_info(row: Mapping[str, Any]) -> CallInfo:
    time_known = row["clock_source"] != ClockSource.UNKNOWN.value
    return CallInfo(
        id=str(row["id"]),
        site=row["site"],
        device=row["device"],
        species=row["scientific_name"],
        label=row["label"],
        time_utc=row["start_utc"] if time_known else row["received_utc"],
        p_peak=row["p_peak"],
    )


def _night_of(sites: Mapping[str, Site]) -> NightOf:
    def night_of(site: str, moment: datetime) -> date:
        return night_date(moment, sites.get(site, Site()))

    return night_of


def _last_calls(
    connection: Connection, pairs: Iterable[tuple[str, str]], before_arrival: int
) -> dict[tuple[str, str], datetime]:
    """Return the time of the last call of each (site, species), among reliable events up to an arrival number."""
    found = {}
    for site, species in pairs:
        query = select(func.max(events.c.start_utc)).select_from(JUDGED_EVENTS)
        query = query.where(
            events.c.site == site,
            events.c.scientific_name == species,
            IS_AS_REPORTED,
            ~unknown_clock(events),
            events.c.is_reliable,
            events.c.arrival <= before_arrival,
        )
        if moment := connection.scalar(query):
            found[site, species] = moment
    return found


def _device_states(connection: Connection) -> list[DeviceState]:
    reports = latest_health(connection)
    query = select(devices.c.site, devices.c.device, devices.c.last_seen_utc, devices.c.retired_utc)
    return [
        DeviceState(site, device, last_seen_utc, *reports.get((site, device), (None, None)))
        for site, device, last_seen_utc, retired_utc in connection.execute(query)
        if not is_retired(retired_utc, last_seen_utc)
    ]
