"""The page of messages that the base station could not use."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from anura_base.config.settings import RetentionSettings
from anura_base.db.schema import dead_letters, devices, events
from anura_base.ingest.retention import RetentionJob
from anura_edge.errors import DeliveryError
from anura_edge.wire import batch

RECEIVED = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


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


def test_messages_of_one_reason_are_one_line(client_of: Callable[..., TestClient], sender: Any) -> None:
    for number in range(3):
        sender.raw("anura/v1/INCT04/swamp-1/event", b"[", received_utc=RECEIVED + timedelta(hours=number))
    sender.raw("anura/v1/INCT04/swamp-2/event", b"[")
    page = client_of().get("/refused").text
    assert page.count('<td class="lead name">') == 2
    assert 'class="n">3</td><td data-name="First"><time datetime="2026-11-21T06:00:00+00:00">' in page
    assert '<time datetime="2026-11-21T08:00:00+00:00">' in page


def test_batch_is_used_when_the_base_station_can_use_it(
    client_of: Callable[..., TestClient], sender: Any, engine: Engine, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of the program: the same message is refused first, and used later."""

    def fail(*_: object) -> None:
        raise DeliveryError("the rows of this version are not known")

    with monkeypatch.context() as older:
        older.setattr("anura_base.ingest.batch.store", fail)
        sender.raw("anura/v1/INCT04/swamp-1/event", batch(sender.journal, 1, [make.event(1)]))
    sender.raw("anura/v1/INCT04/swamp-1/event", b"[")
    sender.raw("anura/v1/INCT04/swamp-1/health", b"[")
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    number = client.get("/refused").text.split('name="upto" value="')[1].split('"')[0]
    answer = client.post("/refused/retry", data={"upto": number})
    assert answer.headers["Location"] == "/refused?tried=2&refused=1"
    assert "1 of them could be used, 1 are refused again" in client.get(answer.headers["Location"]).text
    assert (sender.count(events), len(sender.reasons())) == (1, 2)
    with engine.connect() as connection:
        assert connection.scalar(select(devices.c.last_seen_utc)) is None, "an old message shows no device online"


def test_refused_messages_are_removed_after_their_time(sender: Any, engine: Engine) -> None:
    now_s = [0.0]
    job = RetentionJob(RetentionSettings(refused_days=1), clock=lambda: now_s[0])
    sender.raw("anura/v1/INCT04/swamp-1/event", b"[")
    job.run_if_due(engine)
    for hour in (1, 30):
        now_s[0] = hour * 3_600.0
        job.run_if_due(engine)
        assert sender.count(dead_letters) == (1 if hour == 1 else 0)
