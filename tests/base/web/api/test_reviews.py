"""The verdicts in the API."""

from collections.abc import Callable
from typing import Any

import pytest
from exported import judge, store
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.db.schema import effort, events


@pytest.fixture
def client(client_of: Callable[..., TestClient], engine: Engine, make: Any) -> TestClient:
    """Calls that were confirmed, rejected, relabelled, undone, and not reviewed."""
    calls = [make.event(seq) for seq in range(1, 6)]
    store(engine, *calls)
    for call, verdict in zip(calls, ("confirmed", "rejected", "relabelled", "undone"), strict=False):
        judge(engine, call.id, verdict, "BOAFAB")
    return client_of()


def test_events_have_their_verdict(client: TestClient) -> None:
    found = client.get("/api/events").json()
    assert [row["verdict"] for row in found] == ["confirmed", "rejected", "relabelled", None, None]
    assert [row["reviewer"] for row in found] == ["ana", "ana", "ana", None, None]
    assert [row["new_label"] for row in found][2] == "BOAFAB"
    assert found[0]["reviewed_utc"]
    assert found[4]["reviewed_utc"] is None


def test_filter_selects_confirmed_events(client: TestClient) -> None:
    assert [row["verdict"] for row in client.get("/api/events?confirmed=true").json()] == ["confirmed", "relabelled"]


def test_reviews_are_listed_in_their_order(client: TestClient) -> None:
    first = client.get("/api/reviews?limit=3")
    rows = first.json() + client.get(first.links["next"]["url"]).json()
    assert [row["verdict"] for row in rows] == ["confirmed", "rejected", "relabelled", "undone"]
    assert {row["reviewer"] for row in rows} == {"ana"}


@pytest.mark.parametrize("form", ["birdnet", "darwin-core"])
def test_export_takes_the_filter(client: TestClient, form: str) -> None:
    assert len(client.get(f"/api/exports/{form}?confirmed=true").text.splitlines()) == 3


def test_export_of_effort_refuses_the_filter(client: TestClient) -> None:
    answer = client.get("/api/exports/effort?confirmed=true")
    assert answer.status_code == 422
    assert "cannot be selected by verdict" in answer.text


def test_rows_of_early_versions_are_returned(client: TestClient, engine: Engine, make: Any) -> None:
    """They have no id of an analysis, and no channel."""
    store(engine, make.effort(9))
    with engine.begin() as connection:
        for table in (events, effort):
            connection.execute(table.update().values(analysis=None))
    for path in ("/api/events", "/api/effort"):
        assert {row["analysis"] for row in client.get(path).json()} == {None}
