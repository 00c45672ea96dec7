"""Logging in and out, as a browser does."""

import logging

import pytest

from anura_base.access import passwords
from anura_base.access.roles import Role
from anura_base.web import login_routes

PASSWORD = "frogs call after the rain"
"""As `add_user` gives it."""


def enter(client, name="maria", password=PASSWORD, **more):  # noqa: ANN001, ANN003, ANN201
    page = client.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    return client.post("/login", data={"name": name, "password": password, "csrf_token": token, **more})


@pytest.fixture
def maria(add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.REVIEW)


def test_who_knows_the_password_is_in_until_the_logout(client_of, maria, log_in) -> None:  # noqa: ANN001
    client = client_of()
    token = log_in(client, "maria")
    cookie = client.cookies[login_routes.COOKIE]
    assert client.get("/me").json() == "maria review"
    assert client.post("/logout", headers={"X-CSRF-Token": token}).status_code == 303
    assert client.get("/me").status_code == 401
    assert login_routes.COOKIE not in client.cookies
    client.cookies.set(login_routes.COOKIE, cookie)  # who stole it before has nothing any more
    assert client.get("/me").status_code == 401


@pytest.mark.parametrize(("url", "secure"), [("http://127.0.0.1:8080", False), ("https://anura.example", True)])
def test_no_script_and_no_other_site_gets_the_cookie(client_of, maria, url, secure) -> None:  # noqa: ANN001
    cookie = enter(client_of(url)).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ("Secure" in cookie, cookie.startswith("__Host-anura=")) == (secure, secure)


@pytest.mark.parametrize(
    ("name", "password"), [("maria", "frogs call"), ("nobody", PASSWORD), ("", ""), ("maria", "x" * 999)]
)
def test_who_does_not_know_it_stays_out_and_learns_nothing(client_of, maria, name, password, caplog) -> None:  # noqa: ANN001
    client = client_of()
    with caplog.at_level(logging.DEBUG):
        answer = enter(client, name, password)
    assert answer.status_code == 401
    assert login_routes.WRONG in answer.text
    assert "Set-Cookie" not in answer.headers
    if password:
        assert password not in answer.text
        assert password not in caplog.text
    assert client.get("/me").status_code == 401


def test_a_name_that_is_not_there_takes_as_much_work_as_one_that_is(client_of, maria, monkeypatch) -> None:  # noqa: ANN001
    checked = []
    monkeypatch.setattr(passwords, "_DUMMY_HASH", "the hash of nobody's password")
    monkeypatch.setattr(
        passwords, "_hasher", type("Hasher", (), {"verify": lambda _, kept, __: checked.append(kept)})()
    )
    for name in ("maria", "nobody"):
        enter(client_of(), name, "wrong")
    assert [kept.startswith("$argon2id$") for kept in checked] == [True, False]


def test_names_are_known_however_a_phone_writes_them(client_of, maria) -> None:  # noqa: ANN001
    assert enter(client_of(), " Maria").status_code == 303


@pytest.mark.parametrize(
    ("wanted", "goes_to"),
    [
        ("/nights?site=a", "/nights?site=a"),
        ("", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_after_the_login_one_is_on_our_own_page(client_of, maria, wanted, goes_to) -> None:  # noqa: ANN001
    assert enter(client_of(), next=wanted).headers["Location"] == goes_to


def test_what_was_wanted_is_escaped(client_of) -> None:  # noqa: ANN001
    page = client_of().get("/login", params={"next": '"><script>alert(1)</script>'}).text
    assert "<script>" not in page


def test_a_user_is_tried_only_so_often_even_with_the_right_password_at_last(client_of, maria) -> None:  # noqa: ANN001
    client = client_of()
    for _ in range(login_routes.TRIES_PER_USER):
        assert enter(client, password="wrong").status_code == 401
    answer = enter(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_an_address_is_allowed_only_so_many_names(client_of, maria, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(passwords, "verify", lambda *_: False)
    client = client_of()
    answers = [enter(client, f"name{number}").status_code for number in range(login_routes.TRIES_PER_ADDRESS + 1)]
    assert answers == [401] * login_routes.TRIES_PER_ADDRESS + [429]


def test_who_gets_in_has_all_tries_again(client_of, maria) -> None:  # noqa: ANN001
    client = client_of()
    for _ in range(2):
        for _ in range(login_routes.TRIES_PER_USER - 1):
            assert enter(client, password="wrong").status_code == 401
        assert enter(client).status_code == 303


@pytest.mark.parametrize(
    ("addresses", "count"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["203.0.113.1", "203.0.113.2"], 2),
    ],
)
def test_of_ipv6_everybody_has_a_whole_network(addresses, count) -> None:  # noqa: ANN001
    requests = [type("Request", (), {"client": type("Client", (), {"host": host})}) for host in addresses]
    assert len({login_routes._network(request) for request in requests}) == count
