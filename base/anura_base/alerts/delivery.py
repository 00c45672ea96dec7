"""Deliver alerts to their channels. Pending deliveries are in the database, so a restart loses none."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, RowMapping, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from anura_base.alerts.alert import printable
from anura_base.alerts.alert_message import AlertMessage
from anura_base.alerts.channels import Channel, ChannelMessage
from anura_base.alerts.tables import deliveries, firings
from anura_base.db.engine import root_cause, write_transaction
from anura_edge.errors import DeliveryError

log = logging.getLogger(__name__)

POLL_S = 2.0
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
"""An alert that is three days late is no use any more. The page still shows it."""
MIN_TRIES = 5
"""With fewer failures no delivery is given up: the clock may have jumped."""

MAX_ALERTS = 10_000
"""Alerts that are stored; older ones that are over are deleted."""

MAX_DELIVERIES = 100
"""Deliveries that are tried in one round."""


def next_try(tries: int, fired_utc: datetime, now: datetime) -> datetime | None:
    """Return the time of the next try after `tries` failures, None to give up."""
    if tries >= MIN_TRIES and now - fired_utc >= GIVE_UP_AFTER:
        return None
    return now + min(FIRST_RETRY * (1 << min(tries - 1, 20)), LONGEST_RETRY)


class AlertDelivery:
    """Delivers alerts one after the other. A channel that hangs delays only other deliveries, not the base station."""

    def __init__(self, engine: Engine, channels: Mapping[str, Channel]) -> None:
        self._engine = engine
        self._channels = channels

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.wait(POLL_S):
            try:
                self.deliver_due(datetime.now(UTC), stop)
            except SQLAlchemyError as error:
                log.warning("cannot read alerts to deliver: %s", root_cause(error))
                stop.wait(30)

    def deliver_due(self, now: datetime, stop: threading.Event) -> None:
        """Try each delivery that is due once."""
        columns = deliveries.c.channel, deliveries.c.tries, *firings.c
        query = select(*columns).join_from(deliveries, firings, deliveries.c.firing == firings.c.arrival)
        # A time after the longest retry was set while the clock was wrong.
        is_due = or_(deliveries.c.next_try_utc <= now, deliveries.c.next_try_utc > now + LONGEST_RETRY)
        due = query.where(is_due).order_by(firings.c.arrival).limit(MAX_DELIVERIES)
        with self._engine.connect() as connection:
            rows = connection.execute(due).mappings().all()
        failed: set[str] = set()
        for row in rows:
            if stop.is_set():
                return
            # After a failure the channel is skipped in this round, so that the other channels do not wait.
            if row["channel"] not in failed and not self._deliver(row, now):
                failed.add(row["channel"])
        if rows:
            self._delete_old()

    def _deliver(self, row: RowMapping, now: datetime) -> bool:
        """Try a delivery and store the result; return whether it succeeded."""
        name, tries = row["channel"], row["tries"] + 1
        values: dict[str, object] = {"tries": tries, "next_try_utc": None, "delivered_utc": now, "error": None}
        try:
            self._channels.get(name, _unknown_channel)(message(row))
        except Exception as error:  # any error of a library, for example about odd text, must not stop the base station
            log.log(logging.WARNING if tries == 1 else logging.INFO, "cannot deliver an alert by %s: %s", name, error)
            retry_utc = next_try(tries, row["fired_utc"], now) if name in self._channels else None
            values = {"tries": tries, "next_try_utc": retry_utc, "error": printable(str(error))[:500]}
        this = deliveries.c.firing == row["arrival"], deliveries.c.channel == name
        with write_transaction(self._engine) as connection:
            connection.execute(update(deliveries).where(*this).values(values))
        return "delivered_utc" in values

    def _delete_old(self) -> None:
        with write_transaction(self._engine) as connection:
            newest = select(func.max(firings.c.arrival)).scalar_subquery()
            old = firings.c.arrival <= newest - MAX_ALERTS
            connection.execute(delete(firings).where(old, firings.c.over_utc.is_not(None)))
            connection.execute(delete(deliveries).where(deliveries.c.firing <= newest - MAX_ALERTS))


def message(row: RowMapping) -> AlertMessage:
    """Return the message for a row of `alert_firings`."""
    names = ("rule", "subject", "site", "device", "moment_utc", "fired_utc", "text")
    return AlertMessage(id=f"alert-{row['arrival']}-{row['fired_utc']:%Y%m%dT%H%M%SZ}", **{n: row[n] for n in names})


def _unknown_channel(_message: ChannelMessage) -> None:
    raise DeliveryError("the settings no longer contain this channel")
