"""Unusable messages are stored with a reason, and a batch is refused, so that the device can find the bad row."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select, text

from anura_base.analysis.devices import device_views
from anura_base.db.schema import dead_letters as dead_letter_table
from anura_base.db.schema import events
from anura_base.ingest import dead_letters
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import MAX_PAYLOAD_BYTES, Ack, EventBatch, Refusal, batch, digest, pack, parse_answer

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
EVENT_TOPIC = "anura/v1/INCT04/swamp-1/event"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (EVENT_TOPIC, b"", "EOF"),
        (EVENT_TOPIC, b"\xff" * 5_000, "JSON"),
        (EVENT_TOPIC, b" " * (MAX_PAYLOAD_BYTES + 1), "more than"),
        (EVENT_TOPIC, b'{"schema": "anura/2", "rows": []}', "schema"),
        (EVENT_TOPIC, pack(b" " * (MAX_PAYLOAD_BYTES + 1)), "more than"),
        (EVENT_TOPIC, pack(b" " * 300 * MAX_PAYLOAD_BYTES), "more than"),
        (EVENT_TOPIC, pack(b"{}")[:-1], "breaks off"),
        (EVENT_TOPIC, b"\x78\x9c" + b"\xff" * 99, "payload"),
        ("anura/v1/INCT04/swamp-1/status", b'{"state": "dancing"}', "state"),
        ("anura/v1/INCT04/swamp-1/status", b'{"state": "online", "app_version": "a\\u0000b"}', "app_version"),
        ("anura/v1/INCT04/swamp-1/health", b'{"utc": "2026-11-20T19:30:00Z"}', "every_s"),
        ("anura/v1/INCT04/swamp-1/ack", b"{}", "base: Field required"),
        ("anura/v1/not a site/swamp-1/event", b"{}", "topic"),
        ("anura/v1/\0/swamp-1/event", b"{}", "topic"),
    ],
)
def test_unusable_message_is_stored_and_batch_refused(sender, topic: str, payload: bytes, reason: str) -> None:  # noqa: ANN001
    answers = sender.raw(topic, payload)
    assert reason in sender.reasons()[0]
    assert sender.count(events) == 0
    if topic == EVENT_TOPIC:
        ((name, answer),) = answers
        assert name == "anura/v1/INCT04/swamp-1/ack"
        assert Refusal.from_bytes(answer).refused == digest(payload)
        assert reason in Refusal.from_bytes(answer).reason
    else:
        assert answers == []
    with sender.engine.connect() as connection:
        head = connection.scalar(select(dead_letter_table.c.payload_head))
    assert len(head) <= dead_letters.MAX_DEAD_LETTER_BYTES


def test_number_of_dead_letters_is_limited(sender, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(dead_letters, "MAX_DEAD_LETTERS", 3)
    for _ in range(5):
        sender.raw("anura/v1/a/b/event", b"")
    assert sender.count(dead_letter_table) == 3


def test_bad_message_does_not_stop_its_group(engine: Engine, make: Any) -> None:
    good = EventBatch(journal=uuid4(), floor=1, rows=(make.event(1),)).to_bytes()
    payloads = {"a": b"{", "b": good, "c": b"[]"}
    group = [RawMessage(f"anura/v1/INCT04/{name}/event", payload, False, NOW) for name, payload in payloads.items()]
    with engine.begin() as connection:
        answers = ingest(connection, group)
    found = {topic.split("/")[3]: type(parse_answer(payload)) for topic, payload in answers}
    assert found == {"a": Refusal, "b": Ack, "c": Refusal}


ADD_RULE = {
    "sqlite": "CREATE TRIGGER no_bad_label BEFORE INSERT ON events WHEN NEW.label = 'BAD' "
    "BEGIN SELECT RAISE(ABORT, 'not BAD'); END",
    "postgresql": "ALTER TABLE events ADD CONSTRAINT no_bad_label CHECK (label <> 'BAD')",
}


@pytest.fixture
def connection_without_bad_label(engine: Engine) -> Iterator[Connection]:
    """A transaction, never committed, in which the database refuses the label BAD."""
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text(ADD_RULE[engine.dialect.name]))
        yield connection
        transaction.rollback()


def test_row_that_the_database_refuses_costs_only_its_message(
    connection_without_bad_label: Connection, make: Any
) -> None:
    rows = make.event(1), make.event(2, label="BAD"), make.event(3)
    group = [RawMessage(f"anura/v1/s/{row.seq}/event", batch(uuid4(), 1, [row]), False, NOW) for row in rows]
    answers = ingest(connection_without_bad_label, group)
    found = {name.split("/")[3]: type(parse_answer(answer)) for name, answer in answers}
    assert found == {"1": Ack, "2": Refusal, "3": Ack}
    assert sorted(connection_without_bad_label.scalars(select(events.c.seq))) == [1, 3]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["0001-01-01T00:00:00+14:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=75)
@given(st.data())
def test_every_payload_is_stored_or_refused(engine: Engine, make: Any, data: st.DataObject) -> None:
    content = json.loads(EventBatch(journal=UUID(int=1), floor=1, rows=(make.event(1),)).to_bytes())
    part = data.draw(st.sampled_from([content, content["rows"][0]]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(json_values)
    payload = data.draw(st.just(json.dumps(content).encode()) | st.binary())
    topic = data.draw(
        st.sampled_from([f"anura/v1/a/b/{kind}" for kind in ("event", "effort", "notice", "status", "health")])
        | st.text()
    )
    with engine.begin() as connection:
        for _, answer in ingest(connection, [RawMessage(topic, payload, False, NOW)]):
            parse_answer(answer)
    with engine.connect() as connection:
        device_views(connection)
