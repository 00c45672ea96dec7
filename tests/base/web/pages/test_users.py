"""The page Users: links, roles and sessions."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cheap_passwords import PASSWORD
from sqlalchemy import Engine, update
from starlette.testclient import TestClient
from support import eventually, free_port

from anura_base.access import accounts
from anura_base.access.roles import Role
from anura_base.access.tables import invitations

NEW_PASSWORD = "and before the rain, too"


@pytest.fixture
def admin(client_of, add_user, log_in) -> TestClient:  # noqa: ANN001
    """The client of the admin maria. There is also the user jose with the role review."""
    add_user("maria", Role.ADMIN)
    add_user("jose", Role.REVIEW)
    client = client_of()
    client.headers["X-CSRF-Token"] = log_in(client, "maria")
    return client


def test_users_change_their_own_password_and_other_sessions_end(
    admin: TestClient, client_of: Callable[..., TestClient], log_in: Callable[..., str]
) -> None:
    jose, elsewhere = client_of(), client_of()
    jose.headers["X-CSRF-Token"] = log_in(jose, "jose")
    log_in(elsewhere, "jose")
    form = {"old": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    for wrong, message in (
        ({"old": "not my password"}, "present password is wrong"),
        ({"again": "another one, too"}, "passwords differ"),
        ({"password": "short", "again": "short"}, "a password has 12 to"),
    ):
        refused = jose.post("/account/password", data={**form, **wrong})
        assert refused.status_code == 422
        assert message in refused.text
    assert jose.post("/account/password", data=form).headers["location"] == "/account?changed=true"
    assert "The password is changed" in jose.get("/account?changed=true").text, "this session goes on"
    assert elsewhere.get("/me").status_code == 401
    assert "changed the own password" in admin.get("/audit").text
    with pytest.raises(AssertionError):
        log_in(client_of(), "jose")  # with the old password


def test_without_users_there_is_no_password_to_change(client_of: Callable[..., TestClient]) -> None:
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    assert "no password to change" in client.get("/account").text
    assert client.post("/account/password", data={"old": "x"}).status_code == 403


def user_states(engine: Engine) -> dict[str, tuple[str, bool]]:
    with engine.connect() as connection:
        return {row.name: (row.role, row.disabled_utc is None) for row in accounts.list_users(connection)}


def find_link(answer: Any) -> str:
    found = re.search(r'value="http://127.0.0.1:8080(/invitation\?key=[^"]+)"', answer.text)
    assert found, answer.text
    return found[1]


def set_password(client: TestClient, link: str, password: str, again: str | None = None) -> Any:
    page = client.get(link).text
    token, key = (page.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrf_token", "key"))
    data = {"csrf_token": token, "key": key, "password": password, "again": password if again is None else again}
    return client.post("/invitation", data=data)


def test_link_adds_a_user_once_and_is_not_stored(admin, client_of, engine, caplog) -> None:  # noqa: ANN001
    with caplog.at_level(logging.INFO):
        link = find_link(admin.post("/users/add", data={"name": "ana", "role": "view"}))
        assert "ana" not in user_states(engine)
        ana = client_of()
        assert set_password(ana, link, PASSWORD, "something else here").status_code == 422
        assert set_password(ana, link, "short").status_code == 422
        assert set_password(ana, link, NEW_PASSWORD).headers["Location"] == "/login"
    assert user_states(engine)["ana"] == ("view", True)
    assert accounts.authenticate(engine, "ana", NEW_PASSWORD)
    assert ana.get(link).status_code == 404
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("anura_base")]
    assert "maria made a link for the new user ana with the role view" in messages
    assert link.partition("=")[2] not in str(messages)
    with engine.connect() as connection:
        assert link.partition("=")[2] not in str(connection.exec_driver_sql("SELECT * FROM invitations").all())


def test_link_for_a_new_password_ends_old_sessions(admin, client_of, engine, log_in) -> None:  # noqa: ANN001
    jose = client_of()
    log_in(jose, "jose")
    link = find_link(admin.post("/users/jose/link"))
    assert jose.get("/me").status_code == 200, "an unused link changes nothing"
    assert set_password(client_of(), link, NEW_PASSWORD).status_code == 303
    assert jose.get("/me").status_code == 401
    assert accounts.authenticate(engine, "jose", NEW_PASSWORD)
    assert user_states(engine)["jose"] == ("review", True)


def test_replaced_withdrawn_or_old_link_is_invalid(admin, client_of, engine) -> None:  # noqa: ANN001
    first, second = (find_link(admin.post("/users/add", data={"name": "ana", "role": "view"})) for _ in range(2))
    visitor = client_of()
    assert [visitor.get(link).status_code for link in (first, second)] == [404, 200]
    admin.post("/users/ana/withdraw")
    assert visitor.get(second).status_code == 404
    third = find_link(admin.post("/users/add", data={"name": "ana", "role": "view"}))
    with engine.begin() as connection:
        connection.execute(update(invitations).values(until_utc=datetime.now(UTC)))
    assert visitor.get(third).status_code == 404


def test_changed_rights_apply_at_once(admin, client_of, engine, log_in) -> None:  # noqa: ANN001
    jose = client_of()
    log_in(jose, "jose")
    admin.post("/users/jose/role", data={"role": "view"})
    assert jose.get("/me").json() == "jose view"
    admin.post("/users/jose/end-sessions")
    assert jose.get("/me").status_code == 401
    log_in(jose, "jose")
    assert admin.post("/users/jose/disable").status_code == 303
    assert jose.get("/me").status_code == 401
    assert accounts.authenticate(engine, "jose", PASSWORD) is None
    admin.post("/users/jose/enable")
    assert accounts.authenticate(engine, "jose", PASSWORD)


@pytest.mark.parametrize("change", [("role", {"role": "review"}), ("disable", {})])
def test_last_admin_cannot_be_removed(admin, engine, change) -> None:  # noqa: ANN001
    path, data = change
    refused = admin.post(f"/users/maria/{path}", data=data)
    assert (refused.status_code, "no admin would be left" in refused.text) == (409, True)
    assert user_states(engine)["maria"] == ("admin", True)
    assert admin.get("/me").json() == "maria admin"
    admin.post("/users/jose/role", data={"role": "admin"})
    admin.post("/users/jose/disable")
    assert admin.post(f"/users/maria/{path}", data=data).status_code == 409, "a disabled admin does not count"


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("add", {"name": "jose", "role": "view"}, 409),
        ("add", {"name": "José", "role": "view"}, 409),
        ("add", {"name": "ana", "role": "owner"}, 422),
        ("unknown/link", {}, 409),
        ("unknown/role", {"role": "view"}, 409),
        ("unknown/end-sessions", {}, 409),
        ("unknown/disable", {}, 409),
    ],
)
def test_invalid_change_is_refused(admin, engine, path, data, status) -> None:  # noqa: ANN001
    before = user_states(engine)
    assert admin.post(f"/users/{path}", data=data).status_code == status
    assert user_states(engine) == before


ACTIONS = ["add", "jose/link", "jose/role", "jose/disable", "jose/enable", "jose/end-sessions", "jose/withdraw"]


@pytest.mark.parametrize("path", ACTIONS)
def test_change_needs_an_admin_and_an_own_page(admin, client_of, engine, log_in, path) -> None:  # noqa: ANN001
    before, data = user_states(engine), {"name": "ana", "role": "admin"}
    jose = client_of()
    jose.headers["X-CSRF-Token"] = log_in(jose, "jose")
    assert jose.get("/users").status_code == 403
    assert ">Users<" not in jose.get("/").text
    assert jose.post(f"/users/{path}", data=data).status_code == 403
    assert client_of().post(f"/users/{path}", data=data).status_code in {401, 403}
    assert admin.post(f"/users/{path}", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    del admin.headers["X-CSRF-Token"]
    assert admin.post(f"/users/{path}", data=data).status_code == 403
    assert user_states(engine) == before


def test_first_user_must_be_an_admin(client_of, engine) -> None:  # noqa: ANN001
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    assert client.post("/users/add", data={"name": "ana", "role": "view"}).status_code == 409
    link = find_link(client.post("/users/add", data={"name": "ana", "role": "admin"}))
    assert client.get("/me").json() == "local admin", "as long as there is no user"
    assert set_password(client_of(), link, PASSWORD).status_code == 303
    assert client.get("/me").status_code == 401


def test_invited_user_logs_in_with_a_browser(
    tmp_path: Path,
    launch: Callable[[Path], Any],
    open_page: Callable[[str], Any],
    log_in: Any,
    add_user: Any,
    engine: Engine,
) -> None:
    add_user("maria", Role.ADMIN)
    settings = {"database": str(engine.url), "mqtt": {"port": free_port()}, "web": {"port": 0}}
    path = tmp_path / "base.yaml"
    path.write_text(yaml.safe_dump(settings))
    station = launch(path)
    page = open_page(station.url + "users")

    def shows(selector: str) -> Any:
        return eventually(
            lambda: page.evaluate(f"document.readyState === 'complete' && !!document.querySelector('{selector}')")
        )

    def fill(**values: str) -> None:
        form = f"document.querySelector('main [name={next(iter(values))}]').form"
        for name, value in values.items():
            page.evaluate(f"{form}.elements['{name}'].value = '{value}'")
        page.evaluate(f"{form}.requestSubmit()")

    shows("[name=password]")
    fill(name="maria", password=PASSWORD)
    shows("[name=role]")
    fill(name="ana", role="review")
    shows(".link")
    link = page.evaluate("document.querySelector('.link').value")
    page.evaluate("document.querySelector('header form').requestSubmit()")
    shows("[name=next]")
    page.call("Page.navigate", url=link)
    shows("[name=again]")
    assert page.evaluate("document.querySelector('[name=username]').value") == "ana"
    fill(password=NEW_PASSWORD, again=NEW_PASSWORD)
    shows("[name=next]")
    fill(name="ana", password=NEW_PASSWORD)
    shows("nav")
    assert "ana" in page.evaluate("document.querySelector('header').innerText")
    assert "Users" not in page.evaluate("document.querySelector('nav').innerText")
    assert page.complaints == []
