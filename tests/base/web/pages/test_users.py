"""What the page of users does is what the commands do, and nobody but an admin does it."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, update
from starlette.testclient import TestClient
from support import eventually, free_port

from anura_base.access import accounts
from anura_base.access.roles import Role
from anura_base.access.tables import invitations

PASSWORD = "frogs call after the rain"
OTHER = "and before the rain, too"


@pytest.fixture
def admin(client_of, add_user, log_in) -> TestClient:  # noqa: ANN001
    """Maria, an admin, at her browser; beside her there is José, who reviews."""
    add_user("maria", Role.ADMIN)
    add_user("jose", Role.REVIEW)
    client = client_of()
    client.headers["X-CSRF-Token"] = log_in(client, "maria")
    return client


def listed(engine: Engine) -> dict[str, tuple[str, bool]]:
    with engine.connect() as connection:
        return {row.name: (row.role, row.disabled_utc is None) for row in accounts.list_users(connection)}


def link_in(answer: Any) -> str:
    found = re.search(r'value="http://127.0.0.1:8080(/invitation\?key=[^"]+)"', answer.text)
    assert found, answer.text
    return found[1]


def choose(client: TestClient, link: str, password: str, again: str | None = None) -> Any:
    page = client.get(link).text
    token, key = (page.split(f'name="{name}" value="')[1].split('"')[0] for name in ("csrf_token", "key"))
    data = {"csrf_token": token, "key": key, "password": password, "again": password if again is None else again}
    return client.post("/invitation", data=data)


def test_a_link_makes_a_user_once_and_the_admin_never_knows_the_password(admin, client_of, engine, caplog) -> None:  # noqa: ANN001
    with caplog.at_level(logging.INFO):
        link = link_in(admin.post("/users/add", data={"name": "ana", "role": "view"}))
        assert "ana" not in listed(engine)
        ana = client_of()
        assert choose(ana, link, PASSWORD, "something else here").status_code == 422
        assert choose(ana, link, "short").status_code == 422
        assert choose(ana, link, OTHER).headers["Location"] == "/login"
    assert listed(engine)["ana"] == ("view", True)
    assert accounts.authenticate(engine, "ana", OTHER)
    assert ana.get(link).status_code == 404
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("anura_base")]
    assert "maria made a link for the new user ana with the role view" in ours
    assert link.partition("=")[2] not in str(ours)
    with engine.connect() as connection:
        assert link.partition("=")[2] not in str(connection.exec_driver_sql("SELECT * FROM invitations").all())


def test_a_link_for_a_new_password_ends_what_was_begun_with_the_old_one(admin, client_of, engine, log_in) -> None:  # noqa: ANN001
    jose = client_of()
    log_in(jose, "jose")
    link = link_in(admin.post("/users/jose/link"))
    assert jose.get("/me").status_code == 200, "until it is used nothing changes"
    assert choose(client_of(), link, OTHER).status_code == 303
    assert jose.get("/me").status_code == 401
    assert accounts.authenticate(engine, "jose", OTHER)
    assert listed(engine)["jose"] == ("review", True)


def test_a_later_link_a_withdrawal_and_three_days_end_a_link(admin, client_of, engine) -> None:  # noqa: ANN001
    first, second = (link_in(admin.post("/users/add", data={"name": "ana", "role": "view"})) for _ in range(2))
    anybody = client_of()
    assert [anybody.get(link).status_code for link in (first, second)] == [404, 200]
    admin.post("/users/ana/withdraw")
    assert anybody.get(second).status_code == 404
    third = link_in(admin.post("/users/add", data={"name": "ana", "role": "view"}))
    with engine.begin() as connection:
        connection.execute(update(invitations).values(until_utc=datetime.now(UTC)))
    assert anybody.get(third).status_code == 404


def test_what_is_taken_away_is_gone_at_once(admin, client_of, engine, log_in) -> None:  # noqa: ANN001
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


@pytest.mark.parametrize("what", [("role", {"role": "review"}), ("disable", {})])
def test_the_last_admin_stays(admin, engine, what) -> None:  # noqa: ANN001
    path, data = what
    refused = admin.post(f"/users/maria/{path}", data=data)
    assert (refused.status_code, "no admin would be left" in refused.text) == (409, True)
    assert listed(engine)["maria"] == ("admin", True)
    assert admin.get("/me").json() == "maria admin"
    admin.post("/users/jose/role", data={"role": "admin"})
    admin.post("/users/jose/disable")
    assert admin.post(f"/users/maria/{path}", data=data).status_code == 409, "one who is disabled is no admin"


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("add", {"name": "jose", "role": "view"}, 409),
        ("add", {"name": "José", "role": "view"}, 409),
        ("add", {"name": "ana", "role": "owner"}, 422),
        ("nobody/link", {}, 409),
        ("nobody/role", {"role": "view"}, 409),
        ("nobody/end-sessions", {}, 409),
        ("nobody/disable", {}, 409),
    ],
)
def test_a_mistake_changes_nothing(admin, engine, path, data, status) -> None:  # noqa: ANN001
    before = listed(engine)
    assert admin.post(f"/users/{path}", data=data).status_code == status
    assert listed(engine) == before


ACTS = ["add", "jose/link", "jose/role", "jose/disable", "jose/enable", "jose/end-sessions", "jose/withdraw"]


@pytest.mark.parametrize("path", ACTS)
def test_only_an_admin_and_only_from_our_own_page(admin, client_of, engine, log_in, path) -> None:  # noqa: ANN001
    before, data = listed(engine), {"name": "ana", "role": "admin"}
    jose = client_of()
    jose.headers["X-CSRF-Token"] = log_in(jose, "jose")
    assert jose.get("/users").status_code == 403
    assert ">Users<" not in jose.get("/").text
    assert jose.post(f"/users/{path}", data=data).status_code == 403
    assert client_of().post(f"/users/{path}", data=data).status_code in {401, 403}
    assert admin.post(f"/users/{path}", data=data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    del admin.headers["X-CSRF-Token"]
    assert admin.post(f"/users/{path}", data=data).status_code == 403
    assert listed(engine) == before


def test_at_a_machine_without_users_the_first_one_is_an_admin(client_of, engine) -> None:  # noqa: ANN001
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    assert client.post("/users/add", data={"name": "ana", "role": "view"}).status_code == 409
    link = link_in(client.post("/users/add", data={"name": "ana", "role": "admin"}))
    assert client.get("/me").json() == "local admin", "until there is a user"
    assert choose(client_of(), link, PASSWORD).status_code == 303
    assert client.get("/me").status_code == 401


def test_in_a_browser_an_admin_adds_a_user_who_chooses_a_password_and_logs_in(
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
    fill(password=OTHER, again=OTHER)
    shows("[name=next]")
    fill(name="ana", password=OTHER)
    shows("nav")
    assert "ana" in page.evaluate("document.querySelector('header').innerText")
    assert "Users" not in page.evaluate("document.querySelector('nav').innerText")
    assert page.complaints == []
