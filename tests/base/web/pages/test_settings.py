"""The page Settings: what people set there holds, and what the settings file says wins."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.access.tables import audit_log
from anura_base.alerts.evaluator import AlertEvaluator
from anura_base.alerts.tables import firings
from anura_base.analysis.sites import all_sites
from anura_base.analysis.stored_settings import alerts_in_force, retention_in_force
from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import RetentionSettings, Site
from anura_base.db.schema import devices
from anura_base.web.app import create_app
from anura_base.web.auth.visitor import csrf_token
from anura_edge.errors import DeliveryError

FILE_SITES = {"marsh": Site(title="From the file", zone="America/New_York")}
FILE_ALERTS = AlertSettings.model_validate(
    {"mqtt": True, "rules": {"quiet": {"when": "device_silent", "after_h": 24, "channels": ["mqtt"]}}}
)
FILE_RETENTION = RetentionSettings(clips_days=30)


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def client(engine: Engine, sent: list[Any]) -> TestClient:
    working = SimpleNamespace(commits=0, healthy=True, connected=True)
    app = create_app(
        engine, working, working, threading.Event(), sites=FILE_SITES, alerts=FILE_ALERTS, retention=FILE_RETENTION,
        channels={"mqtt": sent.append},
    )  # fmt: skip
    app.add_api_route("/token", csrf_token, response_model=str)
    client = TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    return client


def audit_texts(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [*connection.scalars(select(audit_log.c.what).order_by(audit_log.c.number))]


def test_site_of_the_page_holds_and_one_of_the_file_wins(client: TestClient, engine: Engine) -> None:
    form = {
        "name": "pond",
        "title": "The <pond>",
        "latitude_deg": "-22.5",
        "longitude_deg": "-47",
        "zone": "Asia/Tokyo",
    }
    assert client.post("/settings/site", data=form).status_code == 303
    with engine.connect() as connection:
        sites = all_sites(connection, FILE_SITES)
    assert (sites["pond"].zone, sites["pond"].latitude_deg) == ("Asia/Tokyo", -22.5)
    refused = client.post("/settings/site", data={**form, "name": "marsh"})
    assert refused.status_code == 409
    assert "sites.marsh is in the settings file" in refused.text
    page = client.get("/settings").text
    assert "The &lt;pond&gt;" in page
    assert "settings file" in page
    assert "disabled" in client.get("/settings/site?name=marsh").text
    assert audit_texts(engine) == ["changed the site pond"]


@pytest.mark.parametrize(
    ("values", "message"),
    [({"zone": "Mars/Olympus"}, "zone"), ({"latitude_deg": "91"}, "latitude_deg"), ({"name": "no spaces!"}, "name")],
)
def test_invalid_site_is_refused_by_name(
    client: TestClient, engine: Engine, values: dict[str, str], message: str
) -> None:
    answer = client.post("/settings/site", data={"name": "pond", **values})
    assert answer.status_code == 422
    assert message in answer.text
    assert audit_texts(engine) == []


def test_rule_is_made_tested_and_deleted(client: TestClient, engine: Engine, sent: list[Any]) -> None:
    form = {"name": "full", "when": "device_health", "disk_below_gb": "2", "channels": "mqtt", "any_problem": "true"}
    assert client.post("/settings/rule", data=form).status_code == 303
    with engine.connect() as connection:
        rules = alerts_in_force(connection, FILE_ALERTS).rules
    assert (rules["full"].when, rules["quiet"].when) == ("device_health", "device_silent")
    assert 'value="2"' in client.get("/settings/rule?name=full").text
    tested = client.post("/settings/rule/full/test").text
    assert "mqtt: delivered" in " ".join(tested.split())
    assert [(each.rule, each.text) for each in sent] == [("full", "This is a test of the alert rule full by local")]
    assert client.post("/settings/rule/full/delete").status_code == 303
    assert "full" not in client.get("/alerts").text
    assert client.post("/settings/rule/quiet/delete").status_code == 404, "a rule of the file"
    assert audit_texts(engine) == [
        "changed the alert rule full",
        "tested the alert rule full",
        "deleted the alert rule full",
    ]


def test_channel_that_fails_is_shown_with_its_reason(client: TestClient) -> None:
    def fail(_: object) -> None:
        raise DeliveryError("the broker is away")

    client.app.state.channels = {"mqtt": fail}  # type: ignore[attr-defined]
    assert "not delivered: the broker is away" in client.post("/settings/rule/quiet/test").text


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"when": "device_silent"}, 422), ({"when": "no such"}, 422), ({"when": "device_silent", "after_h": "-1"}, 422),
        ({"when": "device_silent", "after_h": "1", "channels": "nowhere"}, 422),
        ({"name": "quiet", "after_h": "1"}, 409),
    ],
)  # fmt: skip
def test_invalid_rule_is_refused(client: TestClient, values: dict[str, str], status: int) -> None:
    form = {"name": "new", "when": "device_silent", **values}
    assert client.post("/settings/rule", data=form).status_code == status


def test_retention_of_the_file_wins_over_the_page(client: TestClient, engine: Engine) -> None:
    assert client.post("/settings/retention", data={"events_days": "365", "clips_days": "1"}).status_code == 303
    with engine.connect() as connection:
        found = retention_in_force(connection, FILE_RETENTION)
    assert (found.events_days, found.effort_days, found.clips_days) == (365, None, 30)
    assert client.post("/settings/retention", data={"events_days": "0"}).status_code == 422


def test_rule_of_the_page_raises_alerts_and_ends_when_it_is_deleted(client: TestClient, engine: Engine) -> None:
    now = datetime.now(UTC)
    evaluator = AlertEvaluator(engine, AlertSettings(), {})
    with engine.begin() as connection:
        seen = {"site": "pond", "device": "one", "state": "online", "last_seen_utc": now - timedelta(hours=5)}
        connection.execute(insert(devices).values(seen))

    def active() -> int | None:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(firings).where(firings.c.over_utc.is_(None)))

    evaluator.evaluate(now)
    assert active() == 0
    client.post("/settings/rule", data={"name": "gone", "when": "device_silent", "after_h": "2"})
    evaluator.evaluate(now + timedelta(hours=3))
    assert active() == 1
    client.post("/settings/rule/gone/delete")
    evaluator.evaluate(now + timedelta(hours=3, minutes=2))
    assert active() == 0


def test_token_is_made_shown_once_and_removed(client: TestClient, engine: Engine) -> None:
    page = client.post("/settings/tokens", data={"name": "report", "role": "view"}).text
    assert "anura_" in page
    assert "anura_" not in client.get("/settings").text
    assert client.post("/settings/tokens", data={"name": "report", "role": "view"}).status_code == 409
    assert client.post("/settings/tokens/report/remove").status_code == 303
    assert audit_texts(engine) == ["made the token report with the role view", "removed the token report"]


def test_only_an_admin_sees_settings(
    client_of: Callable[..., TestClient], add_user: Callable[..., None], log_in: Callable[..., str]
) -> None:
    add_user("rita", Role.REVIEW)
    client = client_of()
    client.headers["X-CSRF-Token"] = log_in(client, "rita")
    for path in ("/settings", "/settings/site", "/settings/rule", "/welcome"):
        assert client.get(path).status_code == 403, path
    assert client.post("/settings/site", data={"name": "x"}).status_code == 403
    assert "Settings" not in client.get("/calls").text


def test_first_steps_say_what_is_done(client_of: Callable[..., TestClient], engine: Engine) -> None:
    client = client_of()
    assert "0 of 4 done" in client.get("/welcome").text
    with engine.begin() as connection:
        connection.execute(
            insert(devices).values(site="pond", device="one", latitude_deg=1.0, longitude_deg=1.0, zone="UTC")
        )
    assert "2 of 4 done" in client.get("/welcome").text
