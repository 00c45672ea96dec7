"""The page of messages that the base station could not use."""

from collections.abc import Callable
from html import unescape
from typing import Any

from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from anura_base.db.schema import dead_letters


def test_refused_message_has_its_reason_and_is_deleted(
    client_of: Callable[..., TestClient], sender: Any, engine: Engine
) -> None:
    sender.raw("anura/1/INCT04/swamp-1/event", b"<b>no rows</b>")
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    page = client.get("/refused").text
    assert ("&lt;b&gt;no rows" in page, "<b>no" in page) == (True, False)
    (reason,) = sender.reasons()
    assert reason in unescape(page)
    number = page.split('name="upto" value="')[1].split('"')[0]
    assert client.post("/refused/delete", data={"upto": number}).status_code == 303
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(dead_letters)) == 0
    assert "Every message could be used" in client.get("/refused").text
