"""Login and logout, as a browser does it."""

import logging

import pytest
from cheap_passwords import PASSWORD
from fastapi import HTTPException

from anura_base.access import passwords
from anura_base.access.roles import Role
from anura_base.web.auth import cookies, login


def post_login(client, name="maria", password=PASSWORD, **more):  # noqa: ANN001, ANN003, ANN201
    page = client.get("/login").text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    return client.post("/login", data={"name": name, "password": password, "csrf_token": token, **more})


@pytest.fixture
def maria(add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.REVIEW)


def test_login_lasts_until_the_logout(client_of, maria, log_in) -> None:  # noqa: ANN001
    client = client_of()
    token = log_in(client, "maria")
    cookie = client.cookies[cookies.COOKIE]
    assert client.get("/me").json() == "maria review"
    assert client.post("/logout", headers={"X-CSRF-Token": token}).status_code == 303
    assert client.get("/me").status_code == 401
    assert cookies.COOKIE not in client.cookies
    client.cookies.set(cookies.COOKIE, cookie)  # a stolen cookie is invalid after the logout
    assert client.get("/me").status_code == 401


@pytest.mark.parametrize(("url", "secure"), [("http://127.0.0.1:8080", False), ("https://anura.example", True)])
def test_session_cookie_is_protected(client_of, maria, url, secure) -> None:  # noqa: ANN001
    cookie = post_login(client_of(url)).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert ("Secure" in cookie, cookie.startswith("__Host-anura=")) == (secure, secure)


@pytest.mark.parametrize(
    ("name", "password"), [("maria", "frogs call"), ("unknown", PASSWORD), ("", ""), ("maria", "x" * 999)]
)
def test_wrong_password_is_refused_without_hints(client_of, maria, name, password, caplog) -> None:  # noqa: ANN001
    client = client_of()
    with caplog.at_level(logging.DEBUG):
        answer = post_login(client, name, password)
    assert answer.status_code == 401
    assert login.LOGIN_ERROR in answer.text
    assert "Set-Cookie" not in answer.headers
    if password:
        assert password not in answer.text
        assert password not in caplog.text
    assert client.get("/me").status_code == 401


def test_unknown_user_takes_the_same_work(client_of, maria, monkeypatch) -> None:  # noqa: ANN001
    checked = []
    monkeypatch.setattr(passwords, "_DUMMY_HASH", "dummy hash")
    monkeypatch.setattr(
        passwords, "_hasher", type("Hasher", (), {"verify": lambda _, stored, __: checked.append(stored)})()
    )
    for name in ("maria", "unknown"):
        post_login(client_of(), name, "wrong")
    assert [stored.startswith("$argon2id$") for stored in checked] == [True, False]


def test_name_is_trimmed_and_lower_case(client_of, maria) -> None:  # noqa: ANN001
    assert post_login(client_of(), " Maria").status_code == 303


@pytest.mark.parametrize(
    ("next_page", "location"),
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
def test_login_redirects_only_to_own_pages(client_of, maria, next_page, location) -> None:  # noqa: ANN001
    assert post_login(client_of(), next=next_page).headers["Location"] == location


def test_next_parameter_is_escaped(client_of) -> None:  # noqa: ANN001
    page = client_of().get("/login", params={"next": '"><script>alert(1)</script>'}).text
    assert "<script>" not in page


def test_ten_wrong_passwords_do_not_lock_the_user_out(client_of, maria) -> None:  # noqa: ANN001
    client = client_of()
    for _ in range(10):
        assert post_login(client, password="wrong").status_code == 401
    assert post_login(client).status_code == 303


def test_strangers_do_not_lock_a_user_out_of_a_known_address(engine, maria, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(login, "PER_S", 1e9)  # no try is allowed again meanwhile
    service = login.LoginService(engine)
    assert service.log_in("maria", PASSWORD, "home", None)
    for number in range(login.TRIES_PER_USER):
        assert service.log_in("maria", "wrong", f"stranger-{number}", None) is None
    with pytest.raises(HTTPException) as refused:
        service.log_in("maria", PASSWORD, "another stranger", None)
    assert refused.value.status_code == 429
    assert int(refused.value.headers["Retry-After"]) > 0
    assert service.log_in("maria", PASSWORD, "home", None)


def test_new_login_ends_the_earlier_session_of_the_browser(client_of, maria, log_in) -> None:  # noqa: ANN001
    client, other = client_of(), client_of()
    log_in(client, "maria")
    log_in(other, "maria")
    earlier = client.cookies[cookies.COOKIE]
    log_in(client, "maria")
    assert client.cookies[cookies.COOKIE] != earlier
    assert (client.get("/me").status_code, other.get("/me").status_code) == (200, 200)
    client.cookies.clear()
    client.cookies.set(cookies.COOKIE, earlier)
    assert client.get("/me").status_code == 401


def test_tries_per_address_are_limited(client_of, maria, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(passwords, "verify", lambda *_: False)
    client = client_of()
    answers = [post_login(client, f"name{number}").status_code for number in range(login.TRIES_PER_ADDRESS + 1)]
    assert answers == [401] * login.TRIES_PER_ADDRESS + [429]


@pytest.mark.parametrize(
    ("addresses", "count"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["203.0.113.1", "203.0.113.2"], 2),
    ],
)
def test_ipv6_clients_count_by_network(addresses, count) -> None:  # noqa: ANN001
    requests = [type("Request", (), {"client": type("Client", (), {"host": host})}) for host in addresses]
    assert len({login.client_network(request) for request in requests}) == count
