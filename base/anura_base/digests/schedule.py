"""Send each digest at its scheduled time. Deliveries are stored, so a restart neither repeats nor omits a digest."""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, select

from anura_base.alerts.channels import Channel
from anura_base.alerts.delivery import next_try
from anura_base.alerts.tables import digest_deliveries
from anura_base.analysis.sites import all_sites
from anura_base.config.digests import DigestSettings
from anura_base.config.settings import Site
from anura_base.db.engine import insert_or_update, write_transaction
from anura_base.db.polling import poll_until
from anura_base.digests.digest_message import digest_message
from anura_base.digests.night_digest import due_evening, read_digest

log = logging.getLogger(__name__)

POLL_S = 20.0

MAX_NIGHTS = 400
"""Nights whose deliveries are remembered."""


class DigestSchedule:
    """Sends the digest of the latest night of each schedule. A night before it is not sent later."""

    def __init__(
        self,
        engine: Engine,
        digests: Mapping[str, DigestSettings],
        all_channels: Sequence[str],
        channels: Mapping[str, Channel],
        configured_sites: Mapping[str, Site],
    ) -> None:
        self._engine = engine
        self._digests = digests
        self._all_channels = all_channels
        self._channels = channels
        self._configured_sites = configured_sites

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        poll_until(stop, POLL_S, lambda: self.send_due(datetime.now(UTC)), "cannot read a digest")

    def send_due(self, now: datetime) -> None:
        """Try each delivery that is due once."""
        for name, settings in self._digests.items():
            evening = due_evening(now, settings.at, settings.zone)
            wanted = self._all_channels if settings.channels is None else settings.channels
            due = [channel for channel in wanted if self._is_due(name, evening, channel, now)]
            if due:
                self._send(name, settings, evening, due, now)

    def _state(self, name: str, evening: date, channel: str) -> Row[Any] | None:
        c = digest_deliveries.c
        key = c.name == name, c.evening == evening.toordinal(), c.channel == channel
        with self._engine.connect() as connection:
            return connection.execute(select(digest_deliveries).where(*key)).first()

    def _is_due(self, name: str, evening: date, channel: str, now: datetime) -> bool:
        state = self._state(name, evening, channel)
        return state is None or (state.next_try_utc is not None and state.next_try_utc <= now)

    def _send(self, name: str, settings: DigestSettings, evening: date, channels: Sequence[str], now: datetime) -> None:
        with self._engine.connect() as connection:
            sites = dict(sorted(all_sites(connection, self._configured_sites).items()))
            message = digest_message(name, read_digest(connection, sites, settings.sites, evening), now)
        for channel in channels:
            state = self._state(name, evening, channel)
            tries, first = (state.tries + 1, state.first_utc) if state else (1, now)
            values: dict[str, object] = {"next_try_utc": None, "sent_utc": now, "error": None}
            try:
                self._channels[channel](message)
                log.info("sent the digest %s of %s by %s", name, evening, channel)
            except Exception as error:  # any error of a library must not stop the other digests
                log.warning("cannot send the digest %s of %s by %s: %s", name, evening, channel, error)
                values = {"next_try_utc": next_try(tries, first, now), "sent_utc": None, "error": str(error)[:500]}
            self._store({"name": name, "evening": evening.toordinal(), "channel": channel,
                         "tries": tries, "first_utc": first, **values})  # fmt: skip

    def _store(self, row: dict[str, object]) -> None:
        with write_transaction(self._engine) as connection:
            insert_or_update(connection, digest_deliveries, [row])
            old = digest_deliveries.c.evening < int(str(row["evening"])) - MAX_NIGHTS
            connection.execute(delete(digest_deliveries).where(old))
