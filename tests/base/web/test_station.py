"""The state of the base station in the header of every page."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, create_engine
from starlette.testclient import TestClient
from support import eventually

from anura_base.alerts.tables import firings
from anura_base.web import station
from anura_base.web.app import create_app

PATHS = ["/", "/network", "/species", "/anomalies", "/review", "/clocks", "/explore", "/alerts", "/users", "/station"]


def client_of_state(engine: Engine, *, connected: bool = True, healthy: bool = True) -> TestClient:
    parts = SimpleNamespace(commits=0, healthy=healthy), SimpleNamespace(connected=connected)
    return TestClient(create_app(engine, *parts, threading.Event()), base_url="http://127.0.0.1")


@pytest.mark.parametrize("path", PATHS)
def test_every_page_tells_that_the_broker_is_gone(engine: Engine, path: str) -> None:
    works, gone = (client_of_state(engine, connected=connected).get(path).text for connected in (True, False))
    assert '<li class="good">Broker connected' in works
    assert '<li class="bad">Broker not connected' in gone


def test_alert_that_holds_and_last_row_are_told(engine: Engine, sender, make) -> None:  # noqa: ANN001
    now = datetime.now(UTC)
    row = {"rule": "quiet", "subject": "a", "site": "a", "device": "", "moment_utc": now, "fired_utc": now, "text": ""}
    with engine.begin() as connection:
        connection.execute(
            firings.insert(), [{**row, "occasion": "1", "over_utc": None}, {**row, "occasion": "2", "over_utc": now}]
        )
    shown = station.read_station(engine, SimpleNamespace(connected=True), SimpleNamespace(commits=0, healthy=True))
    assert (shown.alerts, shown.last_row_utc, shown.problems) == (1, None, [])
    sender.ack(make.event(1))
    shown = station.read_station(engine, SimpleNamespace(connected=True), SimpleNamespace(commits=0, healthy=True))
    assert shown.last_row_utc
    assert "1 active alert<" in client_of_state(engine).get("/station").text


def test_full_disk_and_lost_database_are_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = SimpleNamespace(connected=True), SimpleNamespace(commits=0, healthy=True)
    monkeypatch.setattr(station.shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    assert "disk of the database is nearly full" in str(station.read_station(engine, *parts).problems)
    empty = create_engine("sqlite:////nonexistent/folder/base.db")
    assert "database cannot be written" in str(station.read_station(empty, *parts).problems)


def test_broker_outage_is_never_shown_as_live(start_base, broker, open_page) -> None:  # noqa: ANN001
    base = start_base()
    eventually(base.connected)
    page = open_page(base.url)
    eventually(lambda: page.text_of("#link") == "Live.")
    assert "Broker connected" in page.text_of("#station")
    broker.stop()
    eventually(lambda: page.text_of("#link") == "No new rows.")
    assert page.evaluate("document.getElementById('link').className") == "away"
    page.evaluate("htmx.ajax('GET', '/station', {source: '#station', target: '#station', swap: 'outerMorph'})")
    eventually(lambda: "Broker not connected" in page.text_of("#station"))
    base.process.kill()
    base.process.wait()
    page.evaluate("htmx.ajax('GET', '/station', {source: '#station', target: '#station', swap: 'outerMorph'})")
    eventually(lambda: "does not answer" in page.text_of("#station"))
