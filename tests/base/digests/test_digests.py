"""The digest of a night: its numbers, and its way to a real mail server, once for each night."""

import email
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.policy import default
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from pydantic import ValidationError
from sqlalchemy import Engine, insert, select
from support import free_port

from anura_base.alerts.channels import open_channels
from anura_base.alerts.tables import digest_deliveries
from anura_base.analysis import rollup
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Settings, Site
from anura_base.db.schema import devices, effort, events
from anura_base.digests.night_digest import due_evening, read_digest
from anura_base.digests.schedule import DigestSchedule
from anura_edge.errors import DeliveryError

EVENING = date(2026, 10, 24)
"""In this night summer time ends in London."""
SITES = {"fen": Site(title="The <fen>", zone="Europe/London"), "hill": Site(zone="Asia/Kathmandu")}
NOON_UTC = datetime(2026, 10, 24, 11, tzinfo=UTC)  # noon in London

COMMON = {
    "device": "one", "journal": uuid4(), "received_utc": NOON_UTC, "recording": "r", "seq": 1, "rate_hz": 1_000,
    "recording_name": "r.wav", "model_id": "m", "model_version": "1", "model_sha256": "aa", "config_hash": "c",
    "app_version": "0", "clock_source": "recorder", "site": "fen",
}  # fmt: skip


@pytest.fixture
def stored(engine: Engine) -> tuple[Engine, pd.DataFrame]:
    """Calls of one night at one site, over the change of the clock, and a device that is away."""
    install_triggers(engine)
    hours = [8, 9.25, 13.75, 14.5, 15.25]
    frame = pd.DataFrame(
        {
            "start": [NOON_UTC + timedelta(hours=h) for h in hours],
            "species": ["Bufo bufo", "Rana <b>"] * 2 + ["Bufo bufo"],
        }
    )
    with engine.begin() as connection:
        for row in frame.itertuples():
            call = {"scientific_name": row.species, "label": "X", "onset_sample": 0, "offset_sample": 1, "p_peak": 0.9,
                    "p_mean": 0.9, "level_dbfs": -20, "start_utc": row.start, "end_utc": row.start}  # fmt: skip
            connection.execute(insert(events).values({**COMMON, **call, "id": uuid4()}))
        length = {"state": "analysed", "first_sample": 0, "samples": 8 * 3_600_000}
        start = NOON_UTC + timedelta(hours=8)
        connection.execute(insert(effort).values({**COMMON, **length, "id": uuid4(), "start_utc": start}))
        connection.execute(insert(devices).values(site="fen", device="one", state="offline", last_seen_utc=start))
    rollup.refresh(engine)
    return engine, frame


def test_numbers_equal_pandas_over_the_change_of_the_clock(stored: tuple[Engine, pd.DataFrame]) -> None:
    engine, frame = stored
    with engine.connect() as connection:
        digest = read_digest(connection, SITES, (), EVENING)
    (site,) = digest.sites
    local = frame.assign(local=pd.to_datetime(frame.start, utc=True).dt.tz_convert("Europe/London"))
    expected = {
        name: (len(rows), len(rows) / 8, f"{rows.local.min():%H:%M}", f"{rows.local.max():%H:%M}")
        for name, rows in local.groupby("species")
    }
    assert {each.name: (each.calls, each.calls_per_hour, each.first, each.last) for each in site.species} == expected
    assert (digest.calls, digest.species, digest.analysed_h, digest.quiet_sites) == (5, 2, 8.0, 1)
    assert digest.visits == [("The <fen> / one", "the device is offline")]


def test_digest_is_due_after_its_local_time() -> None:
    at = datetime(2026, 10, 25, 8, 30, tzinfo=UTC)
    assert due_evening(at, "08:00", "Europe/London") == EVENING
    assert due_evening(at, "09:00", "Europe/London") == EVENING - timedelta(days=1)
    assert due_evening(at, "09:00", "Asia/Kathmandu") == EVENING  # there it is a quarter past two


class Inbox:
    def __init__(self) -> None:
        self.got: list[Any] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        self.got.append(email.message_from_bytes(envelope.content or b"", policy=default))
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Inbox, int]]:
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, port
    controller.stop()


def test_each_night_is_sent_once_to_each_channel(stored: tuple[Engine, pd.DataFrame], mail: tuple[Inbox, int]) -> None:
    engine, _ = stored
    inbox, port = mail
    server = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "base@x.org", "recipients": ["a@x.org"]}
    settings = Settings.model_validate(
        {"alerts": {"mail": server, "mqtt": True}, "digests": {"team": {"zone": "Europe/London", "sites": ["fen"]}}}
    )
    published: list[tuple[str, Any]] = []

    def publish(topic: str, payload: bytes, _timeout_s: float) -> None:
        if not published:
            published.append(("refused", None))
            raise DeliveryError("no broker")
        published.append((topic, json.loads(payload)))

    schedule = DigestSchedule(
        engine, settings.digests, settings.alerts.channels(), open_channels(settings.alerts, publish), SITES
    )
    now = datetime(2026, 10, 25, 8, 30, tzinfo=UTC)
    for minutes in (0, 0.1, 10, 20, 600):  # also after the first try by MQTT has failed
        schedule.send_due(now + timedelta(minutes=minutes))
    (message,) = inbox.got
    html = message.get_body(("html",)).get_content()
    assert "24 October 2026: 5 calls of 2 species in 8.0 h at 1 sites" in message["Subject"]
    assert "Rana &lt;b&gt;" in html
    assert "The &lt;fen&gt;" in html
    assert (
        "Bufo bufo: 3 calls, 0.375 per hour analysed, first 20:00, last 02:15"
        in message.get_body(("plain",)).get_content()
    )
    (_, (topic, content)) = published
    assert topic == "anura/v1/digests/team"
    assert content["sites"][0]["species"][0] == {
        "species": "Bufo bufo", "calls": 3, "calls_per_hour": 0.375, "first": "20:00", "last": "02:15",
    }  # fmt: skip
    with engine.connect() as connection:
        rows = connection.execute(select(digest_deliveries).order_by(digest_deliveries.c.channel)).all()
    assert [(row.channel, row.tries, row.error) for row in rows] == [("mail", 1, None), ("mqtt", 2, None)]


@pytest.mark.parametrize(
    ("digest", "alerts", "reason"),
    [({"channels": ["pager"]}, {"mqtt": True}, "unknown channel 'pager'"), ({}, {}, "alerts has no channel"),
     ({"at": "8"}, {"mqtt": True}, "pattern")],
)  # fmt: skip
def test_invalid_digest_is_refused(digest: dict[str, Any], alerts: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Settings.model_validate({"digests": {"team": digest}, "alerts": alerts})
