"""The API conforms to its OpenAPI document, and no route fails with a server error."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import schemathesis
from cheap_passwords import use_cheap_hashes
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.access import tokens
from anura_base.access.roles import Role
from anura_base.analysis import rollup
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.db.engine import open_database
from anura_base.exchange.export import EXPORTS, export
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.web.app import create_app
from anura_edge.wire import Status, batch, topic

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
LAW = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
EVERY_LIST = ["events", "effort", "notices", "events/ids"]


@pytest.fixture
def engine(tmp_path: Path, make) -> Iterator[Engine]:  # noqa: ANN001
    """Rows of each kind, a status and a health message."""
    engine, journal = open_database(f"sqlite:///{tmp_path / 'base.db'}"), uuid4()
    sent = [
        ("event", batch(journal, 1, [make.event(seq) for seq in range(1, 8)])),
        ("effort", batch(journal, 1, [make.effort(seq) for seq in range(8, 15)])),
        ("notice", batch(journal, 1, [make.withdrawal(seq) for seq in range(15, 22)])),
        ("status", Status(state="online").to_bytes()),
        ("health", make.health(temperature_c=50).to_bytes()),
    ]
    with engine.begin() as connection:
        ingest(connection, [RawMessage(topic("a", "b", kind), what, False, datetime.now(UTC)) for kind, what in sent])
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    return create_app(
        engine, SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True), threading.Event()
    )


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1")


def test_answers_conform_to_the_openapi_document(app: FastAPI, engine: Engine) -> None:
    with engine.begin() as connection:
        token = tokens.add_token(connection, "tests", Role.ADMIN, datetime.now(UTC))
    header = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=header)
    names = []
    for result in schema.get_all_operations():
        operation = result.ok()
        names.append(operation.label)

        @given(case=operation.as_strategy())
        @LAW
        def holds(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=header)

        holds()
    assert "GET /api/events" in names


def test_no_route_ends_in_a_server_error(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """All routes that are not in the OpenAPI document."""
    use_cheap_hashes(monkeypatch)
    install_triggers(engine)
    rollup.refresh(engine)
    stopped = threading.Event()
    stopped.set()  # so that the stream ends
    app = create_app(engine, SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True), stopped)
    described = get_openapi(title="everything", version="1", routes=app.routes)
    app.add_api_route("/everything.json", lambda: described)
    with engine.begin() as connection:
        token = tokens.add_token(connection, "tests", Role.ADMIN, datetime.now(UTC))
    header = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    names = set()
    for result in schemathesis.openapi.from_asgi("/everything.json", app, headers=header).get_all_operations():
        operation = result.ok()
        if operation.path.startswith("/api/"):  # the test above checks these
            continue
        names.add(operation.label)

        @given(case=operation.as_strategy())
        @LAW
        def holds(case: Any) -> None:
            case.call_and_validate(checks=[not_a_server_error], headers=header)

        holds()
    assert {
        "GET /",
        "GET /night",
        "GET /alerts",
        "GET /metrics",
        "POST /review/{event_id}",
        "POST /users/add",
        "POST /login",
    } <= names


def test_every_answer_has_a_schema(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for content in answer.get("content", {}).values():
                    assert content["schema"], (method, path, status)
            assert operation["responses"]["422"]["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize("name", EVERY_LIST)
def test_next_links_give_each_row_once(client: TestClient, name: str) -> None:
    all_rows = client.get(f"/api/{name}").json()
    assert len(all_rows) == 7
    rows, where = [], f"/api/{name}?limit=2"
    while where:
        answer = client.get(where)
        rows += answer.json()
        link = answer.links.get("next")
        where = link and f"{urlsplit(link['url']).path}?{urlsplit(link['url']).query}"
    assert rows == all_rows


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/nothing", 404, "Not Found"),
        ("/api/events?limit=0", 422, "query.limit"),
        ("/api/events?after=x", 422, "query.after"),
        ("/api/events?after=9223372036854775808", 422, "query.after"),
    ],
)
def test_invalid_request_is_a_problem_with_its_reason(client: TestClient, path: str, status: int, text: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert text in problem["detail"]
    assert client.get(path, headers={"Accept": "text/html"}).headers["Content-Type"].startswith("text/html")


def _without_time(aoef: bytes) -> bytes:
    """Return an AOEF file without the time at which it was made, and without the identity that contains this time."""
    whole = json.loads(aoef)
    del whole["created_on"], whole["data"]["created_on"], whole["data"]["uuid"]
    return json.dumps(whole).encode()


@pytest.mark.parametrize("form", EXPORTS)
def test_export_equals_the_output_of_the_command(app: FastAPI, engine: Engine, form: str) -> None:
    answer = TestClient(app, base_url="http://127.0.0.1").get(f"/api/exports/{form}")
    if form == "camtrap-dp":
        assert (answer.status_code, "needs the position of a" in answer.json()["detail"]) == (422, True)
        return
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, EXPORTS[form].media_type)
    assert f'filename="anura-{form}.{EXPORTS[form].suffix}"' in answer.headers["Content-Disposition"]
    if EXPORTS[form].suffix != "zip":  # a ZIP contains its time
        answered, written = answer.content, b"".join(part.data for part in export(engine, form, {}))
        if form == "aoef":
            answered, written = _without_time(answered), _without_time(written)
        assert answered == written
