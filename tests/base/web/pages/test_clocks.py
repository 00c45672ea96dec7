"""The page Clocks, and what other pages say about unknown clocks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from exported import store
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.analysis.clock_corrections import clock_corrections
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.db.schema import events
from anura_edge.audio import ClockSource


@pytest.fixture
def client(client_of: Callable[..., TestClient], engine: Engine, make: Any) -> TestClient:
    install_triggers(engine)
    store(engine, make.event(1, clock_source=ClockSource.UNKNOWN, recording_name="A/<b>.wav"))
    return client_of()


def test_pages_show_the_recordings_of_unknown_clock(client: TestClient) -> None:
    page = client.get("/clocks").text
    assert "A/&lt;b&gt;.wav" in page
    assert "2026-11-20 19:30:10" in page
    assert "The time of every recording of fen is known" in client.get("/clocks?site=fen").text
    assert "1 recordings of this site are in no night" in client.get("/night?site=pond").text
    assert "the clock of their recordings is unknown" in client.get("/species").text
    for path in ("/", "/review?species=Physalaemus+cuvieri"):
        assert "recorder's clock, its offset is unknown" in client.get(path).text


def test_admin_sets_the_offset_and_the_start(client: TestClient, engine: Engine, make: Any) -> None:
    token = client.get("/token").json()
    answer = client.post("/clocks/pond/one", data={"offset": "+10:00", "csrf_token": token})
    assert answer.status_code == 303, answer.text
    page = client.get("/clocks").text
    assert "The time of every recording is known" in page
    assert "-36000 s" in page
    start = {"recording": "b2:8f31", "start": "2026-11-20T19:30:00+10:00", "csrf_token": token}
    assert client.post("/clocks/pond/one", data=start).status_code == 303
    with engine.connect() as connection:
        assert connection.scalar(select(events.c.start_utc)) == make.event(1).start_utc - timedelta(hours=10)
        assert connection.scalars(select(clock_corrections.c.corrected_by)).all() == ["local", "local"]


def test_wrong_offset_is_refused_with_the_reason(client: TestClient) -> None:
    token = client.get("/token").json()
    answer = client.post("/clocks/pond/one", data={"offset": "10", "csrf_token": token})
    assert answer.status_code == 422
    assert "is not a UTC offset; write it as in +10:00" in answer.text


def test_only_an_admin_corrects_clocks(
    client_of: Callable[..., TestClient], client: TestClient, add_user: Any, log_in: Any
) -> None:
    for name, role in (("root", Role.ADMIN), ("rev", Role.REVIEW)):
        add_user(name, role)
    client = client_of()
    token = log_in(client, "rev")
    assert client.post("/clocks/pond/one", data={"offset": "+10:00", "csrf_token": token}).status_code == 403
    page = client.get("/clocks").text
    assert "ask an admin" in page
    assert '<form method="post" action="/clocks' not in page
