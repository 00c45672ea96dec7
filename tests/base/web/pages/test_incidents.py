"""What the base station noticed is told on the page Network and in the API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.db.incidents import Incident, IncidentKind, report


def test_incident_is_told_once_with_its_last_time(engine: Engine, client_of: Callable[..., TestClient]) -> None:
    noticed = Incident(IncidentKind.GAPS, "pond", "one", "j", "journal <j> has many gaps")
    now = datetime.now(UTC)
    with engine.begin() as connection:
        report(connection, [(noticed, now - timedelta(hours=2)), (noticed, now)])
    (told,) = client_of().get("/api/incidents").json()
    assert (told["what"], told["site"], told["device"]) == ("gaps", "pond", "one")
    assert datetime.fromisoformat(told["last_utc"]) - datetime.fromisoformat(told["first_utc"]) == timedelta(hours=2)
    page = client_of().get("/network").text
    assert page.count("journal &lt;j&gt; has many gaps") == 1
