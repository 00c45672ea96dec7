"""An address with an unknown filter, or with dates in the wrong order, is refused instead of giving other numbers."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

PAGES = (
    "/", "/network", "/species", "/species.csv", "/night", "/anomalies", "/review", "/alerts", "/explore", "/login",
    "/api/events", "/api/effort", "/api/notices", "/api/events/ids", "/api/devices", "/api/alerts", "/api/incidents",
    "/api/exports/birdnet", "/metrics",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_unknown_parameter_is_refused_with_its_name(client_of: Callable[..., TestClient], page: str) -> None:
    answer = client_of().get(page, params={"no_such_filter": "x"})
    assert answer.status_code == 422
    assert "no_such_filter" in answer.json()["detail"]


def test_known_parameters_are_accepted(client_of: Callable[..., TestClient]) -> None:
    for address in (
        "/species?site=a&view=clock&first=2026-01-01",
        "/api/events?limit=3&after=1",
        "/review?order=lowest",
    ):
        assert client_of().get(address).status_code == 200


@pytest.mark.parametrize("page", ["/species", "/species.csv"])
def test_dates_in_the_wrong_order_are_refused(client_of: Callable[..., TestClient], page: str) -> None:
    answer = client_of().get(page, params={"first": "2026-11-20", "last": "2026-11-19"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("last: 2026-11-19 is before")
