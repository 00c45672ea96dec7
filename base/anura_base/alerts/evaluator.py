"""Feeds the rules from the database, and keeps what they find in one transaction with how far was read."""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from anura_base.alerts import engine as rules
from anura_base.alerts.engine import Alert, AlertKey, CallInfo, DedupKey, DeviceState
from anura_base.alerts.tables import deliveries, firings, reading
from anura_base.analysis.nights import night_date
from anura_base.analysis.sites import all_sites
from anura_base.config.alerts import AlertSettings, CallRule, EffortLow
from anura_base.config.settings import Site
from anura_base.db.engine import insert_new, root_cause, write_transaction
from anura_base.db.queries import latest_health, rows_after
from anura_base.db.schema import devices, effort, events
from anura_edge.audio import ClockSource
from anura_edge.events import EffortState

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How soon after its arrival a call is told."""

DEVICES_EVERY = timedelta(minutes=1)
EFFORT_EVERY = timedelta(minutes=15)

PAGE = 500
"""Calls that are read in one transaction."""


class AlertEvaluator:
    """Looks at what came, again and again."""

    def __init__(self, engine: Engine, alerts: AlertSettings, known_sites: Mapping[str, Site]) -> None:
        self._engine = engine
        self._alerts = alerts
        self._known_sites = known_sites
        self._since = datetime.now(UTC)
        self._devices_due = self._effort_due = self._since
        self._failing = False

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop. A database that does not answer is asked again."""
        while not stop.wait(LOOK_EVERY_S):
            try:
                self.evaluate(datetime.now(UTC))
            except SQLAlchemyError as error:
                if not self._failing:
                    log.warning("cannot look for alerts: %s; trying again until it works", root_cause(error))
                self._failing = True
            else:
                self._failing = False

    def evaluate(self, now: datetime) -> None:
        """Look once: at all new calls, and at devices and effort when it is time."""
        while self._read_calls(now):
            pass
        if now >= self._devices_due:
            self._look_at_devices(now)
            self._devices_due = now + DEVICES_EVERY
        if now >= self._effort_due and any(isinstance(rule, EffortLow) for rule in self._alerts.rules.values()):
            self._look_at_effort(now)
            self._effort_due = now + EFFORT_EVERY

    def _read_calls(self, now: datetime) -> bool:
        """Read a page of calls; return whether there may be more."""
        with self._engine.connect() as connection:
            after = connection.scalar(select(reading.c.arrival).where(reading.c.what == "events"))
            begins = after is None
            if after is None:
                # From here on: what is there already is no news.
                after = connection.scalar(select(func.max(events.c.arrival))) or 0
            rows = rows_after(connection, events, after, PAGE)
            if not rows and not begins:
                return False  # and nothing is written, every two seconds, to a disk that may be a card
            fresh = self._worth_telling(connection, [_call(row) for row in rows], after, now)
        with write_transaction(self._engine) as connection:
            _read_up_to(connection, rows[-1]["arrival"] if rows else after)
            self._keep(connection, fresh, now, over_utc=now)
        return len(rows) == PAGE

    def _worth_telling(self, connection: Connection, calls: list[CallInfo], after: int, now: datetime) -> list[Alert]:
        if not any(isinstance(rule, CallRule) for rule in self._alerts.rules.values()):
            return []
        before = _last_heard(connection, {(call.site, call.species) for call in calls}, after)
        night = _night_of(all_sites(connection, self._known_sites))
        found = rules.calls_that_matter(self._alerts.rules, calls, before, night, now)
        return self._new_ones(connection, found, now)

    def _look_at_devices(self, now: datetime) -> None:
        with self._engine.connect() as connection:
            states = _device_states(connection)
            ongoing = _ongoing(connection)
            standing = rules.conditions(self._alerts.rules, states, self._since, now)
            fired = _last_fired(connection, standing.hold)
        begun, over = rules.begun_and_over(self._alerts.rules, standing, ongoing, fired, now)
        if begun or over:
            with write_transaction(self._engine) as connection:
                for key in over:
                    this = firings.c.rule == key.rule, firings.c.subject == key.subject, firings.c.over_utc.is_(None)
                    connection.execute(update(firings).where(*this).values(over_utc=now))
                self._keep(connection, begun, now, over_utc=None)

    def _look_at_effort(self, now: datetime) -> None:
        nights = max(rule.baseline_nights for rule in self._alerts.rules.values() if isinstance(rule, EffortLow))
        with self._engine.connect() as connection:
            zones = all_sites(connection, self._known_sites)
            night = _night_of(zones)
            heard = _effort_h(connection, zones, now - timedelta(days=nights + 3), night)
            found = rules.nights_with_little_effort(self._alerts.rules, heard, night, now)
            fresh = self._new_ones(connection, found, now)
        if fresh:
            with write_transaction(self._engine) as connection:
                self._keep(connection, fresh, now, over_utc=now)

    def _new_ones(self, connection: Connection, found: Sequence[Alert], now: datetime) -> list[Alert]:
        # Looked up before the transaction that writes: SQLite refuses one that has looked, and wants to write after
        # the ingest did. Should another base station tell the same meanwhile, the table refuses the second.
        known = _known(connection, {firing.dedup_key for firing in found})
        fired = _last_fired(connection, {firing.key for firing in found})
        return rules.new_ones(self._alerts.rules, found, known, fired, now)

    def _keep(self, connection: Connection, fresh: Iterable[Alert], now: datetime, over_utc: datetime | None) -> None:
        for firing in fresh:
            log.info("alert %s: %s", firing.key.rule, firing.text)
            row = {
                "rule": firing.key.rule,
                "subject": firing.key.subject,
                "occasion": firing.occasion,
                "site": firing.site,
                "device": firing.device,
                "moment_utc": firing.moment_utc,
                "fired_utc": now,
                "over_utc": over_utc,
                "text": firing.text,
            }
            number = connection.scalar(insert(firings).values(row).returning(firings.c.arrival))
            channels = self._alerts.channels_of(firing.key.rule)
            due = [{"firing": number, "channel": channel, "tries": 0, "next_try_utc": now} for channel in channels]
            insert_new(connection, deliveries, due)


def _call(row: Mapping[str, Any]) -> CallInfo:
    known = row["clock_source"] != ClockSource.UNKNOWN.value
    return CallInfo(
        id=str(row["id"]),
        site=row["site"],
        device=row["device"],
        species=row["scientific_name"],
        label=row["label"],
        time_utc=row["start_utc"] if known else row["received_utc"],
        p_peak=row["p_peak"],
    )


def _night_of(zones: Mapping[str, Site]) -> rules.NightOf:
    def night(site: str, moment: datetime) -> date:
        return night_date(moment, zones.get(site, Site()))

    return night


def _read_up_to(connection: Connection, arrival: int) -> None:
    changed = connection.execute(update(reading).where(reading.c.what == "events").values(arrival=arrival))
    if not changed.rowcount:
        insert_new(connection, reading, [{"what": "events", "arrival": arrival}])


def _last_heard(
    connection: Connection, pairs: Iterable[tuple[str, str]], before_arrival: int
) -> dict[tuple[str, str], datetime]:
    heard = {}
    for site, species in pairs:
        query = select(func.max(events.c.start_utc)).where(
            events.c.site == site,
            events.c.scientific_name == species,
            events.c.clock_source != ClockSource.UNKNOWN.value,
            events.c.arrival <= before_arrival,
        )
        if moment := connection.scalar(query):
            heard[site, species] = moment
    return heard


def _known(connection: Connection, occasions: set[DedupKey]) -> set[DedupKey]:
    found: set[DedupKey] = set()
    columns = firings.c.rule, firings.c.subject, firings.c.occasion
    for some in _chunks(sorted((*of.key, of.occasion) for of in occasions)):
        for rule, subject, occasion in connection.execute(select(*columns).where(tuple_(*columns).in_(some))):
            found.add(DedupKey(AlertKey(rule, subject), occasion))
    return found


def _last_fired(connection: Connection, keys: Iterable[AlertKey]) -> dict[AlertKey, datetime]:
    found: dict[AlertKey, datetime] = {}
    columns = firings.c.rule, firings.c.subject
    for some in _chunks(sorted(tuple(key) for key in keys)):
        query = select(*columns, func.max(firings.c.fired_utc)).where(tuple_(*columns).in_(some)).group_by(*columns)
        found |= {AlertKey(rule, subject): moment for rule, subject, moment in connection.execute(query)}
    return found


def _chunks(items: list[Any]) -> Iterable[list[Any]]:
    # A statement has a limited number of parameters.
    return (items[first : first + 200] for first in range(0, len(items), 200))


def _ongoing(connection: Connection) -> set[AlertKey]:
    query = select(firings.c.rule, firings.c.subject).where(firings.c.over_utc.is_(None))
    return {AlertKey(rule, subject) for rule, subject in connection.execute(query)}


def _device_states(connection: Connection) -> list[DeviceState]:
    said = latest_health(connection)
    query = select(devices.c.site, devices.c.device, devices.c.last_seen_utc)
    return [
        DeviceState(site, device, seen, *said.get((site, device), (None, None)))
        for site, device, seen in connection.execute(query)
    ]


def _effort_h(
    connection: Connection, zones: Mapping[str, Site], since: datetime, night: rules.NightOf
) -> dict[tuple[str, str], dict[date, float]]:
    c = effort.c
    query = select(c.site, c.device, c.start_utc, c.recording, c.first_sample, c.samples, c.rate_hz).distinct()
    # All sites by name, so that an index gives the last nights of each.
    query = query.where(c.site.in_(zones), c.start_utc >= since, c.state == EffortState.ANALYSED.value)
    hours: dict[tuple[str, str], dict[date, float]] = {}
    for row in connection.execute(query.where(c.clock_source != ClockSource.UNKNOWN.value)):
        of_device = hours.setdefault((row.site, row.device), {})
        evening = night(row.site, row.start_utc)
        of_device[evening] = of_device.get(evening, 0.0) + row.samples / row.rate_hz / 3_600
    return hours
