"""Any request gets an answer below 500, whoever sends it."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

PATHS = st.sampled_from([
    "/", "/network", "/species", "/species.csv", "/night", "/anomalies", "/review", "/review/undo", "/alerts", "/users",
    "/login", "/logout", "/invitation", "/explore", "/explore/recordings", "/explore/hear", "/metrics", "/healthz",
    "/review/00000000-0000-0000-0000-000000000001", "/api/exports/training", "/clocks", "/api/openapi.json",
    "/api/events", "/api/effort", "/api/notices", "/api/events/ids", "/api/devices", "/api/alerts", "/api/incidents",
    "/api/exports/birdnet", "/api/events/00000000-0000-0000-0000-000000000001/clip", "/api/events/x/clip.flac",
]) | st.text(st.characters(codec="latin-1", exclude_characters="?#\r\n"), max_size=30).map(
    lambda text: f"/{quote(text, safe='/%')}"
)  # fmt: skip
NAMES = st.sampled_from([
    "site", "view", "species", "first", "last", "evening", "order", "event", "skip", "limit", "after", "next", "key",
    "name", "password", "again", "csrf_token", "verdict", "label", "recording", "window_s", "hop_s", "role",
    "confirmed",
])  # fmt: skip
VALUES = st.sampled_from(
    ["", "0001-01-01", "9999-12-31", "2026-11-20", "-1", "1e309", "nan", str(2**63), "\0", "x" * 700, "=1+1", "٣"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=4)
HEADERS = st.dictionaries(
    st.sampled_from([
        "accept", "content-type", "cookie", "range", "if-none-match", "authorization", "origin", "sec-fetch-site",
        "host", "x-csrf-token", "x-forwarded-for", "x-forwarded-prefix", "x-forwarded-proto", "content-length",
    ]),
    st.sampled_from([
        b"text/html", b"multipart/form-data", b"multipart/form-data; boundary=b", b"application/x-www-form-urlencoded",
        b"anura=x", b"bytes=5-1", b"Bearer ", b"Basic !", b"http://[", b"[::1", b"null", b"application/json", b"\xff",
    ]) | st.binary(max_size=20).filter(lambda value: not set(value) & set(b"\r\n\0")),
    max_size=4,
)  # fmt: skip
BODIES = st.binary(max_size=300) | st.sampled_from(
    [b"--b\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx", b"{"]
)


@pytest.fixture(params=[False, True], ids=["local", "stranger"])
def client(request: Any, client_of: Any) -> TestClient:
    return client_of(require_login=request.param)  # type: ignore[no-any-return]


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=120)
@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"]), PATHS, PARAMETERS, HEADERS,
       BODIES | PARAMETERS)  # fmt: skip
def test_any_request_is_answered_below_500(
    client: TestClient, method: str, path: str, query: dict[str, str], headers: dict[str, bytes], body: Any
) -> None:
    sent = {"data": body} if isinstance(body, dict) else {"content": body}
    sent = {} if method in ("GET", "HEAD") else sent
    if (path, method) == ("/stream", "GET"):
        return
    answer = client.request(method, path, params=query, headers=[*headers.items()], **sent)
    assert answer.status_code < 500, answer.text
