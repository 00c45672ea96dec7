"""Delivers what was told, again until it works. What waits is in the database, so a restart forgets nothing."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, RowMapping, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from anura_base.alerts.alert_message import AlertMessage
from anura_base.alerts.channels import Channel
from anura_base.alerts.engine import printable
from anura_base.alerts.tables import deliveries, firings
from anura_base.db.engine import root_cause, write_transaction
from anura_edge.errors import DeliveryError

log = logging.getLogger(__name__)

POLL_S = 2.0
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
"""An alert of three days ago alarms nobody; the page still shows it."""

KEEP_FIRINGS = 10_000


def next_try(tries: int, fired_utc: datetime, now: datetime) -> datetime | None:
    """Return when to try again after this many tries that failed; None when it is given up."""
    if now - fired_utc >= GIVE_UP_AFTER:
        return None
    return now + min(FIRST_RETRY * (1 << min(tries - 1, 20)), LONGEST_RETRY)


class AlertDelivery:
    """Brings each alert to its channels. One that hangs holds up the others of the alerts, and nothing else."""

    def __init__(self, engine: Engine, channels: Mapping[str, Channel]) -> None:
        self._engine = engine
        self._channels = channels

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop."""
        while not stop.wait(POLL_S):
            try:
                self.deliver_due(datetime.now(UTC), stop)
            except SQLAlchemyError as error:
                log.warning("cannot look for alerts to deliver: %s", root_cause(error))
                stop.wait(30)

    def deliver_due(self, now: datetime, stop: threading.Event) -> None:
        """Try what is due once."""
        columns = deliveries.c.channel, deliveries.c.tries, *firings.c
        query = select(*columns).join_from(deliveries, firings, deliveries.c.firing == firings.c.arrival)
        with self._engine.connect() as connection:
            due = connection.execute(
                query.where(deliveries.c.next_try_utc <= now).order_by(firings.c.arrival).limit(100)
            ).mappings()
            rows = due.all()
        failed: set[str] = set()
        for row in rows:
            if stop.is_set():
                return
            # A channel that just failed is not asked for each of its alerts in turn: the others would wait.
            if row["channel"] not in failed and not self._deliver(row, now):
                failed.add(row["channel"])
        if rows:
            self._forget_old()

    def _deliver(self, row: RowMapping, now: datetime) -> bool:
        name, tries = row["channel"], row["tries"] + 1
        values: dict[str, object] = {"tries": tries, "next_try_utc": None, "delivered_utc": now, "error": None}
        try:
            self._channels.get(name, _gone)(message(row))
        except Exception as error:  # whatever a library meets with an odd text must not stop the base station
            log.log(logging.WARNING if tries == 1 else logging.INFO, "an alert is not delivered by %s: %s", name, error)
            again = next_try(tries, row["fired_utc"], now) if name in self._channels else None
            values = {"tries": tries, "next_try_utc": again, "error": printable(str(error))[:500]}
        this = deliveries.c.firing == row["arrival"], deliveries.c.channel == name
        with write_transaction(self._engine) as connection:
            connection.execute(update(deliveries).where(*this).values(values))
        return "delivered_utc" in values

    def _forget_old(self) -> None:
        with write_transaction(self._engine) as connection:
            newest = select(func.max(firings.c.arrival)).scalar_subquery()
            old = firings.c.arrival <= newest - KEEP_FIRINGS
            connection.execute(delete(firings).where(old, firings.c.over_utc.is_not(None)))
            connection.execute(delete(deliveries).where(deliveries.c.firing <= newest - KEEP_FIRINGS))


def message(row: RowMapping) -> AlertMessage:
    """Return what is sent of a firing."""
    names = ("rule", "subject", "site", "device", "moment_utc", "fired_utc", "text")
    return AlertMessage(id=f"alert-{row['arrival']}-{row['fired_utc']:%Y%m%dT%H%M%SZ}", **{n: row[n] for n in names})


def _gone(_alert: AlertMessage) -> None:
    raise DeliveryError("the settings do not have this channel any more")
