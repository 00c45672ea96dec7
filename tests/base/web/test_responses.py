"""Every page answers HEAD like GET without a body, and an answer over TLS demands TLS."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from anura_base.web.responses import STRICT_TRANSPORT_SECURITY

PAGES = (
    "/", "/network", "/species", "/night", "/anomalies", "/review", "/alerts", "/explore", "/users", "/login",
    "/stream", "/api/events", "/api/exports/birdnet", "/api/openapi.json", "/metrics", "/static/page.css", "/healthz",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_head_is_answered_like_get_without_a_body(client_of: Callable[..., TestClient], page: str) -> None:
    answer = client_of().head(page)
    assert (answer.status_code, answer.content) == (200, b"")


def test_head_of_a_stranger_is_sent_to_the_login(client_of: Callable[..., TestClient]) -> None:
    answer = client_of(require_login=True).head("/network", headers={"Accept": "text/html"})
    assert answer.headers["Location"] == "/login?next=/network"


@pytest.mark.parametrize(
    ("url", "sent"), [("https://a.example", STRICT_TRANSPORT_SECURITY), ("http://127.0.0.1", None)]
)
@pytest.mark.parametrize("path", ["/login", "/static/page.css", "/no-such-page"])
def test_answer_over_tls_demands_tls(
    client_of: Callable[..., TestClient], url: str, sent: str | None, path: str
) -> None:
    assert client_of(url).get(path).headers.get("Strict-Transport-Security") == sent
