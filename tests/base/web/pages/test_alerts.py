"""Alerts on their page and as JSON."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from anura_base.alerts.tables import deliveries, firings
from anura_base.config.alerts import AlertSettings
from anura_base.web.app import create_app

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
ALERTS = AlertSettings.model_validate(
    {"mqtt": True, "rules": {"quiet": {"when": "device_silent", "after_h": 6, "sites": ["pond", "river"]}}}
)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_rules_and_alerts_are_shown_and_escaped(engine: Engine) -> None:
    firing = {
        "rule": "quiet", "subject": "pond/one", "occasion": "1", "site": "pond", "device": "one", "moment_utc": NOW,
        "fired_utc": NOW, "text": "<b>pond/one</b> was last heard of long ago",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(firings).values(firing))
        connection.execute(insert(firings).values({**firing, "occasion": "2", "over_utc": NOW}))
        way = {"firing": 1, "channel": "mqtt", "tries": 2, "next_try_utc": NOW, "error": "<i>away</i>"}
        connection.execute(insert(deliveries).values(way))
    parts = SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True)
    client = TestClient(create_app(engine, *parts, threading.Event(), alerts=ALERTS), base_url="http://127.0.0.1")
    page = " ".join(client.get("/alerts").text.split())
    for text in ("<strong>quiet</strong>", "device silent", "after_h: 6", "sites: pond, river", "active",
                 "single event",
                 "&lt;b&gt;pond/one", "mqtt: tried 2 times, waiting (&lt;i&gt;away&lt;/i&gt;)"):  # fmt: skip
        assert text in page
    assert "<b>pond" not in page
    assert "Log out" not in page, "there is no login"
    first, second = client.get("/api/alerts").json()
    assert (first["over_utc"], first["deliveries"][0]["tries"], second["deliveries"]) == (None, 2, [])
    answer = client.get("/api/alerts?limit=1")
    assert answer.json() == [first]
    assert 'after=1>; rel="next"' in answer.headers["Link"]


def test_alert_is_acknowledged_once_and_filtered(engine: Engine) -> None:
    firing = {"rule": "quiet", "subject": "pond/one", "site": "pond", "device": "one", "moment_utc": NOW,
              "fired_utc": NOW, "text": "silent"}  # fmt: skip
    with engine.begin() as connection:
        connection.execute(
            insert(firings), [{**firing, "occasion": "1"}, {**firing, "occasion": "2", "over_utc": None}]
        )
    parts = SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True)
    client = TestClient(
        create_app(engine, *parts, threading.Event(), alerts=ALERTS),
        base_url="http://127.0.0.1",
        follow_redirects=False,
    )
    page = client.get("/alerts").text
    client.headers["X-CSRF-Token"] = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert "2 active alerts" in page
    assert client.post("/alerts/1/acknowledge").status_code == 303
    assert client.post("/alerts/1/acknowledge").status_code == 303, "a second time changes nothing"
    assert client.post("/alerts/99/acknowledge").status_code == 409
    page = client.get("/alerts?state=not+acknowledged").text
    assert (page.count("/acknowledge"), "1 active alert<" in page) == (1, True)
    assert client.get("/api/alerts").json()[0]["acknowledged_by"] == "local"
    assert "No alert matches" in client.get("/alerts?rule=other").text
    assert client.get("/alerts?state=active").text.count(">silent<") == 2
