"""The prefix of a proxy is taken from trusted proxies only, and from the settings."""

from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from anura_base.web.proxy import ProxyPrefix


def seen(prefix: str, trusted: list[str], path: str, header: str | None, client: str = "10.0.0.7") -> tuple[Any, Any]:
    """Return the root and the path that the application sees."""
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    sent = {} if header is None else {"X-Forwarded-Prefix": header.encode("latin-1")}
    TestClient(ProxyPrefix(app, prefix, trusted), client=(client, 1)).get(path, headers=sent)
    return scopes[0].get("root_path", ""), scopes[0]["path"]


def test_path_with_and_without_its_prefix_is_the_same() -> None:
    for path in ("/login", "/frogs/login"):
        assert seen("/frogs", [], path, None) == ("/frogs", "/frogs/login")
    assert seen("/frogs", [], "/frogs", None) == ("/frogs", "/frogs/")
    assert seen("/frogs", [], "/frogsong", None) == ("/frogs", "/frogs/frogsong")


def test_header_counts_only_from_a_trusted_proxy() -> None:
    assert seen("", ["10.0.0.0/8"], "/", "/frogs/") == ("/frogs", "/frogs/")
    assert seen("", ["10.0.0.0/8"], "/", "/frogs", client="11.0.0.1") == ("", "/")
    assert seen("/pond", [], "/", "/frogs") == ("/pond", "/pond/")


@pytest.mark.parametrize("header", ["//evil.example", '/a"><script>', "frogs", "/a b", "/" + "a" * 101, "/é", "/a//b"])
def test_header_that_is_no_path_is_ignored(header: str) -> None:
    assert seen("", ["10.0.0.0/8"], "/", header) == ("", "/")
