"""Authentication, roles, CSRF tokens, and open paths."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from starlette.requests import Request
from starlette.responses import StreamingResponse

from anura_base.access import accounts, sessions, tokens
from anura_base.access.roles import Role
from anura_base.access.tables import sessions as sessions_table
from anura_base.web.auth import middleware
from anura_base.web.limits import bodies

ROLES = list(Role)


def test_local_client_without_users_is_admin(client_of) -> None:  # noqa: ANN001
    client = client_of()
    assert client.get("/me").json() == "local admin"
    assert client.post("/admin-test", headers={"X-CSRF-Token": client.get("/token").json()}).status_code == 200


@pytest.mark.parametrize(
    "host", ["anura.example", "127.0.0.1.nip.example", "192.168.1.5:8080", "", "localhost.example"]
)
def test_other_host_name_without_users_is_refused(client_of, host) -> None:  # noqa: ANN001
    assert client_of().get("/me", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1", "127.8.8.8:80", "[::1]:8080"])
def test_local_host_name_without_users_is_accepted(client_of, host) -> None:  # noqa: ANN001
    assert client_of().get("/me", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_proxied_request_without_users_is_refused(client_of, header) -> None:  # noqa: ANN001
    answer = client_of().get("/me", headers={header: "203.0.113.7"})
    assert answer.status_code == 403
    assert "web.trusted_proxies" in answer.json()["detail"]


def test_first_user_makes_login_necessary(client_of, add_user) -> None:  # noqa: ANN001
    client = client_of()
    assert client.get("/me").status_code == 200
    add_user("maria", Role.ADMIN)
    assert client.get("/me").status_code == 401


def test_required_login_applies_without_users(client_of) -> None:  # noqa: ANN001
    assert client_of(require_login=True).get("/me").status_code == 401


def test_only_open_paths_need_no_login(client_of, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    client = client_of()
    for path in ("/healthz", "/login", "/static/page.css"):
        assert client.get(path).status_code == 200, path
    closed = ["/", "/stream", "/api/events", "/api/events/ids", "/api/devices", "/api/openapi.json", "/nothing",
              "/loginx", "/static", "/login/x", "/Login"]  # fmt: skip
    for path in closed:
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 303, path


def test_browser_is_redirected_to_the_login(client_of, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.VIEW)
    there = client_of().get("/nights?site=a&of=2026", headers={"Accept": "text/html"}).headers["Location"]
    assert there == "/login?next=/nights%3Fsite%3Da%26of%3D2026"


@pytest.mark.parametrize("role", ROLES)
def test_role_includes_the_lower_roles(client_of, add_user, log_in, role) -> None:  # noqa: ANN001
    add_user("boss", Role.ADMIN)
    add_user("maria", role)
    client = client_of()
    token = log_in(client, "maria")
    may = [
        client.get("/me"),
        *(client.post(path, headers={"X-CSRF-Token": token}) for path in ("/review-test", "/admin-test")),
    ]
    assert [answer.status_code == 200 for answer in may] == [role.allows(needed) for needed in ROLES]
    assert all(answer.status_code in {200, 403} for answer in may)


@pytest.mark.parametrize("path", ["/review-test", "/admin-test", "/without-role", "/logout"])
@pytest.mark.parametrize("token", [None, "", "wrong", "other session"])
def test_wrong_csrf_token_is_refused(client_of, add_user, log_in, path, token) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    client, other = client_of(), client_of()
    log_in(client, "maria")
    sent = log_in(other, "maria") if token == "other session" else token
    for request in (
        {"headers": {"X-CSRF-Token": sent}} if sent is not None else {},
        {"data": {"csrf_token": sent or ""}},
    ):
        assert client.post(path, **request).status_code == 403
    assert client.get("/me").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": "null"},
    ],
)
def test_cross_site_request_is_refused_even_with_token(client_of, add_user, log_in, headers) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    client = client_of()
    right = {"X-CSRF-Token": log_in(client, "maria")}
    assert client.post("/without-role", headers={**right, **headers}).status_code == 403
    assert client.post("/login", headers={**right, **headers}).status_code == 403
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}
    assert client.post("/without-role", headers={**right, **own}).status_code == 200


def test_form_reaches_its_route_unchanged(app_of, client_of, add_user, log_in) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    client = client_of()
    token = log_in(client, "maria")

    @client.app.post("/echo")
    async def echo(request: Request) -> dict[str, str]:
        form = await request.form()
        return {key: str(value) for key, value in form.items()}

    sent = {"csrf_token": token, "note": "ã & b=c"}
    assert client.post("/echo", data=sent).json() == sent


@pytest.mark.parametrize("host", ["[::1", "a:b", "a/b", "a?b", "[", "a:99999999"])
@pytest.mark.parametrize("path", ["/login", "/", "/api/events", "/static/page.css"])
def test_invalid_host_is_refused(client_of, host, path) -> None:  # noqa: ANN001
    assert client_of().get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("origin", ["http://[", "null", "", "http://[::1", "//", "http://127.0.0.1:8080.evil.example"])
def test_invalid_origin_is_another_site(client_of, origin) -> None:  # noqa: ANN001
    assert client_of().post("/login", headers={"Origin": origin}).status_code == 403


def test_too_large_form_is_refused(client_of) -> None:  # noqa: ANN001
    answer = client_of().post("/login", data={"name": "x" * bodies.MAX_BODY_BYTES})
    assert answer.status_code == 413


def test_bearer_token_needs_no_csrf_token(client_of, engine, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    with engine.begin() as connection:
        token = tokens.add_token(connection, "weekly", Role.REVIEW, datetime.now(UTC))
    client, header = client_of(), {"Authorization": f"Bearer {token}"}
    assert client.get("/me", headers=header).json() == "token weekly review"
    assert client.post("/review-test", headers=header).status_code == 200
    assert client.post("/admin-test", headers=header).status_code == 403
    with engine.begin() as connection:
        tokens.remove_token(connection, "weekly")
    assert client.get("/me", headers=header).status_code == 401


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "bearer anura_x", "Bearer \u00e9"])
def test_wrong_bearer_token_is_refused_without_users(client_of, header) -> None:  # noqa: ANN001
    assert client_of().get("/me", headers={"Authorization": header.encode("latin-1")}).status_code == 401


def test_changed_role_and_removal_apply_at_once(client_of, engine, add_user, log_in) -> None:  # noqa: ANN001
    add_user("boss", Role.ADMIN)
    add_user("maria", Role.ADMIN)
    client = client_of()
    log_in(client, "maria")
    with engine.begin() as connection:
        accounts.change_role(connection, "maria", Role.VIEW)
    assert client.get("/me").json() == "maria view"
    with engine.begin() as connection:
        accounts.remove_user(connection, "maria")
    assert client.get("/me").status_code == 401


def test_idle_or_old_session_is_invalid(client_of, engine, add_user, log_in) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    for column, after in (("used_utc", sessions.MAX_IDLE), ("begun_utc", sessions.MAX_AGE)):
        client = client_of()
        log_in(client, "maria")
        with engine.begin() as connection:
            connection.execute(update(sessions_table).values({column: datetime.now(UTC) - after}))
        assert client.get("/me").status_code == 401


def test_pages_are_not_cached(client_of) -> None:  # noqa: ANN001
    client = client_of()
    assert client.get("/api/events").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in client.get("/static/page.css").headers


def test_missing_table_refuses_all_requests(client_of, engine, tmp_path) -> None:  # noqa: ANN001
    client = client_of()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE users")
    assert client.get("/me").status_code == 503
    assert client.get("/static/page.css").status_code == 200


def test_stream_ends_when_its_reader_is_removed(  # noqa: ANN201
    client_of,  # noqa: ANN001
    engine,  # noqa: ANN001
    add_user,  # noqa: ANN001
    log_in,  # noqa: ANN001
    monkeypatch,  # noqa: ANN001
):
    monkeypatch.setattr(middleware, "RECHECK_EVERY_S", -1.0)
    add_user("boss", Role.ADMIN)
    add_user("maria", Role.VIEW)
    client = client_of()
    log_in(client, "maria")
    continued = []

    @client.app.get("/long")
    async def long() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "one "
            with engine.begin() as connection:
                accounts.remove_user(connection, "maria")
            yield "two "
            continued.append(True)
            yield "three "

        return StreamingResponse(parts())

    assert client.get("/long").text == "one "
    assert continued == []
