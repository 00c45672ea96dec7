"""The page that sends the threshold of a species to the devices that report it."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from exported import judge, store
from sqlalchemy import Engine, select, update
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.access.tables import audit_log
from anura_base.db.schema import devices
from anura_base.updates.tables import setting_changes

FABER = {"label": "BOAFAB", "scientific_name": "Boana faber"}
ADDRESS = "/review/thresholds?species=Boana+faber&site="


@pytest.fixture
def client(client_of: Callable[..., TestClient], engine: Engine, make: Any) -> TestClient:
    """A base station with two devices that report the species, one of them with an older model, and a third device."""
    for number, device in enumerate(("one", "two", "old")):
        store(engine, make.event(1, id=UUID(int=number), p_peak=0.8 + number / 20, **FABER), device=device)
    store(engine, make.event(1), device="other")
    with engine.begin() as connection:
        connection.execute(update(devices).values(model_sha256="5f" * 32))
        connection.execute(update(devices).where(devices.c.device == "old").values(model_sha256="aa" * 32))
    return client_of()


def send(client: TestClient, threshold: str, *names: str) -> Any:
    token = client.get("/token").json()
    return client.post(ADDRESS, data={"threshold": threshold, "device": names, "csrf_token": token})


def orders(engine: Engine) -> list[tuple[str, str, Any]]:
    with engine.connect() as connection:
        rows = connection.execute(select(setting_changes).order_by(setting_changes.c.number))
        return [(row.device, row.state, json.loads(row.values_json)) for row in rows]


def test_threshold_is_ordered_from_the_chosen_devices(client: TestClient, engine: Engine) -> None:
    page = client.get(ADDRESS).text
    assert [name in page for name in ("pond/one", "pond/two", "pond/old", "pond/other")] == [True, True, False, False]
    assert send(client, "0.83", "pond/two", "pond/other").status_code == 303
    assert orders(engine) == [("two", "sent", {"detect.thresholds.BOAFAB": 0.83})]
    page = client.get(ADDRESS).text
    assert 'data-name="Sent" class="n">0.83<' in page
    assert 'data-name="State">sent<' in page
    with engine.connect() as connection:
        assert "threshold 0.83 for Boana faber" in str(connection.scalar(select(audit_log.c.what)))


def test_order_that_no_device_has_reported_is_not_lost(client: TestClient, engine: Engine) -> None:
    """A second order stops the first one, so it has the values of both."""
    send(client, "0.83", "pond/one")
    with engine.begin() as connection:
        values = json.dumps({"health.interval_s": 300, "detect.thresholds.BOAFAB": 0.83})
        connection.execute(update(setting_changes).values(values_json=values))
    send(client, "0.9", "pond/one")
    merged = {"health.interval_s": 300, "detect.thresholds.BOAFAB": 0.9}
    assert [(state, values) for _, state, values in orders(engine)][1:] == [("sent", merged)]
    assert orders(engine)[0][1] == "stopped"


@pytest.mark.parametrize(("threshold", "names"), [("0", ["pond/one"]), ("1.5", ["pond/one"]), ("0.8", [])])
def test_wrong_order_is_refused(client: TestClient, engine: Engine, threshold: str, names: list[str]) -> None:
    assert send(client, threshold, *names).status_code == 422
    assert orders(engine) == []


def test_suggestion_of_the_reviews_is_filled_in(client: TestClient, engine: Engine, make: Any) -> None:
    for number in range(10, 40):
        store(engine, make.event(number, id=UUID(int=number), p_peak=number / 40, **FABER), device="one")
        judge(engine, UUID(int=number), "confirmed" if number > 15 else "rejected")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE reviews SET drawn_from = ''")
    assert 'value="0.3750"' in client.get(ADDRESS).text, "24 of the 25 above it are right, and 24 of 26"


def test_only_an_admin_sends(client: TestClient, client_of: Any, add_user: Any, log_in: Any, engine: Engine) -> None:
    for name, role in (("root", Role.ADMIN), ("rev", Role.REVIEW)):
        add_user(name, role)
    visitor = client_of()
    token = log_in(visitor, "rev")
    data = {"threshold": "0.8", "device": "pond/one", "csrf_token": token}
    assert visitor.post(ADDRESS, data=data).status_code == 403
    assert "An admin of this base station can send" in visitor.get(ADDRESS).text
    assert orders(engine) == []
