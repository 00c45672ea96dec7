import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, inspect, select, text
from sqlalchemy.event import listen

from anura_base.analysis import devices as device_analysis
from anura_base.db import queries
from anura_base.db.engine import check_writable, open_database
from anura_base.db.schema import dead_letters, effort, events, notices
from anura_base.ingest import dead_letters as dead_letter_module
from anura_base.ingest import progress_table
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.audio import ClockSource
from anura_edge.events import Notice, NoticeKind
from anura_edge.wire import (
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    Ack,
    EffortRow,
    EventBatch,
    EventRow,
    Health,
    NoticeRow,
    Provenance,
    Refusal,
    Row,
    Status,
    batch,
    digest,
    notice_row,
    pack,
    parse_answer,
)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@dataclass
class Sender:
    """Puts a device's messages straight into the database, each in a transaction of its own."""

    engine: Engine
    device: str = "swamp-1"
    journal: UUID = field(default_factory=uuid4)

    def rows(self, *rows: Row, floor: int = 1) -> int:
        """Send rows; return the number that is acknowledged."""
        payload = batch(self.journal, floor, rows)
        ((topic, ack),) = self.raw(f"anura/v1/INCT04/{self.device}/{rows[0].kind}", payload)
        assert topic == f"anura/v1/INCT04/{self.device}/ack"
        assert Ack.from_bytes(ack).journal == self.journal
        return Ack.from_bytes(ack).seq

    def ack(self, *rows: Row, floor: int = 1) -> tuple[int, Any, Any]:
        ((_, answer),) = self.raw(f"anura/v1/INCT04/{self.device}/event", batch(self.journal, floor, rows))
        ack = Ack.from_bytes(answer)
        return ack.seq, ack.received, ack.missing

    def status(self, status: Status, *, retained: bool = False) -> None:
        assert self.raw(f"anura/v1/INCT04/{self.device}/status", status.to_bytes(), retained=retained) == []

    def health(self, health: Health, **how: Any) -> None:
        assert self.raw(f"anura/v1/INCT04/{self.device}/health", health.to_bytes(), **how) == []

    def raw(
        self, topic: str, payload: bytes, *, retained: bool = False, received_utc: datetime = NOW
    ) -> list[tuple[str, bytes]]:
        with self.engine.begin() as connection:
            return ingest(connection, [RawMessage(topic, payload, retained, received_utc)])

    def view(self) -> device_analysis.DeviceView:
        with self.engine.connect() as connection:
            return next(view for view in device_analysis.device_views(connection) if view.device == self.device)

    def count(self, table) -> int:  # noqa: ANN001
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table))

    def reasons(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.scalars(select(dead_letters.c.reason)))


@pytest.fixture
def sender(engine: Engine) -> Sender:
    return Sender(engine)


def test_rows_of_both_kinds_share_one_sequence(sender: Sender, make) -> None:  # noqa: ANN001
    assert sender.rows(make.event(1), make.event(2)) == 2
    assert sender.rows(make.effort(3, hours=1.5)) == 3
    assert (sender.view().events, sender.view().effort_h["analysed"]) == (2, 1.5)
    assert sender.view().last_seen_utc == NOW


def test_what_a_device_left_out_to_save_energy_is_not_analysed(sender: Sender, make) -> None:  # noqa: ANN001
    left_out = make.effort(1, make.state.GATED, 5.0), make.effort(2, make.state.PAUSED, 2.0)
    assert sender.rows(*left_out, make.effort(3, hours=1.5)) == 3
    hours = sender.view().effort_h
    assert (hours["analysed"], hours["gated"], hours["paused"]) == (1.5, 5, 2)


def test_an_hour_that_two_models_heard_is_one_hour(sender: Sender, make) -> None:  # noqa: ANN001
    by_another = make.effort(2).model_copy(update={"model_sha256": "another"})
    sender.rows(make.effort(1), by_another)
    assert sender.view().effort_h["analysed"] == 1


def test_what_is_stored_is_what_was_sent(sender: Sender, make) -> None:  # noqa: ANN001
    call = make.event(1)
    sender.rows(call)
    with sender.engine.connect() as connection:
        (stored,) = queries.rows_after(connection, events, 0, 10)
    assert EventRow(**stored) == call


@pytest.mark.parametrize(("row", "table"), [(EventRow, events), (EffortRow, effort), (NoticeRow, notices)])
def test_every_field_of_the_wire_has_a_column(row, table) -> None:  # noqa: ANN001
    assert set(row.model_fields) <= set(table.c.keys())


def test_a_batch_that_comes_twice_is_acknowledged_twice_and_stored_once(sender: Sender, make) -> None:  # noqa: ANN001
    rows = make.event(1), make.event(2)
    assert [sender.rows(*rows), sender.rows(*rows)] == [2, 2]
    assert sender.count(events) == 2


def test_a_row_that_another_device_sent_before_stays_with_the_first(sender: Sender, make) -> None:  # noqa: ANN001
    call = make.event(1)
    other = Sender(sender.engine, device="swamp-2")
    assert [sender.rows(call), other.rows(call)] == [1, 1]
    assert (sender.view().events, other.view().events) == (1, 0)


def test_rows_ahead_of_a_gap_are_remembered(sender: Sender, make) -> None:  # noqa: ANN001
    assert [sender.rows(make.event(seq)) for seq in (3, 5, 1, 2, 4)] == [0, 0, 1, 2, 4]
    assert sender.rows(make.event(5)) == 5


def test_rows_that_were_not_in_this_batch_are_not_acknowledged_with_it(sender: Sender, make) -> None:  # noqa: ANN001
    sender.rows(*(make.event(seq) for seq in range(1, 101)))
    of_a_clone = [make.event(seq) for seq in range(1, 11)]  # other events, under numbers that are known
    assert sender.rows(*of_a_clone) == 10
    assert sender.count(events) == 110


def test_what_a_device_gave_up_is_counted_as_missing(sender: Sender, make) -> None:  # noqa: ANN001
    assert sender.rows(make.event(10), floor=8) == 7
    assert sender.rows(make.event(8), make.event(9), floor=8) == 9
    assert sender.view().missing == 7


def test_no_device_can_move_the_floor_of_another(sender: Sender, make) -> None:  # noqa: ANN001
    Sender(sender.engine, "hostile", sender.journal).rows(make.event(1), floor=MAX_SEQ)
    assert sender.rows(make.event(2)) == 0


def test_missing_rows_beyond_63_bits_are_shown_too(sender: Sender, make) -> None:  # noqa: ANN001
    for _ in range(3):
        sender.journal = uuid4()
        sender.rows(make.event(1), floor=MAX_SEQ)
    assert sender.view().missing == 3 * (MAX_SEQ - 2)


def test_a_journal_of_gaps_is_refused(sender: Sender, make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(progress_table, "MAX_SPANS", 3)
    payload = EventBatch(journal=uuid4(), floor=1, rows=tuple(make.event(seq) for seq in (2, 4, 6, 8))).to_bytes()
    ((_, answer),) = sender.raw("anura/v1/INCT04/swamp-1/event", payload)
    assert "gaps" in Refusal.from_bytes(answer).reason
    assert sender.count(events) == 0
    assert "gaps" in sender.reasons()[0]


def test_a_status_tells_when_a_device_was_there_unless_the_broker_kept_it(sender: Sender) -> None:
    sender.status(Status(state="online", app_version="0.1.0"), retained=True)
    assert (sender.view().state, sender.view().last_seen_utc, sender.view().app_version) == ("online", None, "0.1.0")
    sender.status(Status(state="online"))
    sender.status(Status(state="offline"))
    assert (sender.view().state, sender.view().last_seen_utc, sender.view().app_version) == ("offline", NOW, "0.1.0")


def test_of_what_a_device_says_of_its_health_the_last_word_counts(sender: Sender, make) -> None:  # noqa: ANN001
    sender.health(make.health(pending=3))
    sender.health(make.health(pending=2, problems=("the model does not answer",)))
    sender.health(make.health(pending=1), retained=True)
    assert sender.view().health == make.health(pending=2, problems=("the model does not answer",))
    assert sender.view().last_seen_utc == NOW


def test_health_is_stale_when_some_messages_were_missed_or_when_nobody_knows_its_age(sender: Sender, make) -> None:  # noqa: ANN001
    sender.status(Status(state="online"))
    assert (sender.view().health, sender.view().health_is_stale) == (None, False)
    sender.health(make.health(), retained=True)
    assert (sender.view().health, sender.view().health_is_stale) == (make.health(), True)
    sender.health(make.health(), received_utc=datetime.now(UTC))
    assert not sender.view().health_is_stale
    sender.health(make.health(every_s=1e12), received_utc=datetime.now(UTC) - timedelta(days=8))
    assert sender.view().health_is_stale


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("anura/v1/INCT04/swamp-1/event", b"", "EOF"),
        ("anura/v1/INCT04/swamp-1/event", b"\xff" * 5_000, "JSON"),
        ("anura/v1/INCT04/swamp-1/event", b" " * (MAX_PAYLOAD_BYTES + 1), "more than"),
        ("anura/v1/INCT04/swamp-1/event", b'{"schema": "anura/2", "rows": []}', "schema"),
        ("anura/v1/INCT04/swamp-1/status", b'{"state": "dancing"}', "state"),
        ("anura/v1/INCT04/swamp-1/status", b'{"state": "online", "app_version": "a\\u0000b"}', "app_version"),
        ("anura/v1/INCT04/swamp-1/health", b'{"utc": "2026-11-20T19:30:00Z"}', "every_s"),
        ("anura/v1/INCT04/swamp-1/ack", b"{}", "acknowledgement"),
        ("anura/v1/not a site/swamp-1/event", b"{}", "topic"),
        ("anura/v1/\0/swamp-1/event", b"{}", "topic"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_its_reason(
    sender: Sender, topic: str, payload: bytes, reason: str
) -> None:
    answers = sender.raw(topic, payload)
    assert reason in sender.reasons()[0]
    assert sender.count(events) == 0
    if topic.endswith("INCT04/swamp-1/event"):  # a device must find the row that is to blame; nobody else is answered
        ((where, answer),) = answers
        assert where == "anura/v1/INCT04/swamp-1/ack"
        assert Refusal.from_bytes(answer).refused == digest(payload)
        assert reason in Refusal.from_bytes(answer).reason
    else:
        assert answers == []
    with sender.engine.connect() as connection:
        assert len(connection.scalar(select(dead_letters.c.payload_head))) <= dead_letter_module.MAX_DEAD_LETTER_BYTES


def test_dead_letters_are_bounded(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letter_module, "MAX_DEAD_LETTERS", 3)
    for _ in range(5):
        sender.raw("anura/v1/a/b/event", b"")
    assert sender.count(dead_letters) == 3


def test_one_bad_message_does_not_stop_the_others_of_its_group(engine: Engine, make) -> None:  # noqa: ANN001
    good = EventBatch(journal=uuid4(), floor=1, rows=(make.event(1),)).to_bytes()
    group = [RawMessage(f"anura/v1/INCT04/{name}/event", payload, False, NOW) for name, payload in
             [("a", b"{"), ("b", good), ("c", b"[]")]]  # fmt: skip
    with engine.begin() as connection:
        answers = ingest(connection, group)
    told = {topic.split("/")[3]: type(parse_answer(payload)) for topic, payload in answers}
    assert told == {"a": Refusal, "b": Ack, "c": Refusal}


STRICTER = {
    "sqlite": "CREATE TRIGGER stricter BEFORE INSERT ON events WHEN NEW.label = 'BAD' "
    "BEGIN SELECT RAISE(ABORT, 'not BAD'); END",
    "postgresql": "ALTER TABLE events ADD CONSTRAINT stricter CHECK (label <> 'BAD')",
}


def test_a_row_that_the_database_does_not_take_costs_its_message_alone(engine: Engine, make) -> None:  # noqa: ANN001
    rows = make.event(1), make.event(2, label="BAD"), make.event(3)
    group = [RawMessage(f"anura/v1/s/{row.seq}/event", batch(uuid4(), 1, [row]), False, NOW) for row in rows]
    with engine.begin() as connection:
        connection.execute(text(STRICTER[engine.dialect.name]))
        answers = ingest(connection, group)
    told = {name.split("/")[3]: type(parse_answer(answer)) for name, answer in answers}
    assert told == {"1": Ack, "2": Refusal, "3": Ack}
    with engine.connect() as connection:
        assert sorted(connection.scalars(select(events.c.seq))) == [1, 3]


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (pack(b" " * (MAX_PAYLOAD_BYTES + 1)), "more than"),
        (pack(b" " * 300 * MAX_PAYLOAD_BYTES), "more than"),
        (pack(b"{}")[:-1], "breaks off"),
        (b"\x78\x9c" + b"\xff" * 99, "payload"),
    ],
)
def test_a_compressed_bomb_or_ruin_is_set_aside(sender: Sender, bomb: bytes, reason: str) -> None:
    ((_, answer),) = sender.raw("anura/v1/INCT04/swamp-1/event", bomb)
    assert reason in Refusal.from_bytes(answer).reason


def test_a_compressed_batch_is_a_batch(sender: Sender, make) -> None:  # noqa: ANN001
    rows = [make.event(seq) for seq in range(1, 51)]
    payload = batch(sender.journal, 1, rows)
    assert len(pack(payload)) < len(payload) / 4
    ((_, answer),) = sender.raw("anura/v1/INCT04/swamp-1/event", pack(payload))
    assert Ack.from_bytes(answer).seq == 50


def test_what_came_ahead_is_acknowledged_and_what_lacks_is_asked_for(sender: Sender, make) -> None:  # noqa: ANN001
    assert sender.ack(make.event(9), make.event(11), floor=3) == (2, ((9, 9), (11, 11)), ((3, 8), (10, 10)))
    assert sender.ack(make.event(5), floor=3) == (2, ((5, 5),), ((3, 4),))
    assert sender.ack(make.event(3), make.event(4), floor=3) == (4, ((3, 4),), ())
    assert sender.ack(make.event(12), floor=3) == (5, ((12, 12),), ((6, 8), (10, 10)))


def test_batches_of_a_group_are_answered_at_once(engine: Engine, make) -> None:  # noqa: ANN001
    journal = uuid4()
    groups = [(1, 2), (7, 8), (3,), (5,)]
    payloads = [batch(journal, 1, [make.event(seq) for seq in group]) for group in groups]
    with engine.begin() as connection:
        ((_, answer),) = ingest(connection, [RawMessage("anura/v1/a/b/event", each, False, NOW) for each in payloads])
    ack = Ack.from_bytes(answer)
    assert (ack.seq, ack.received, ack.missing) == (3, ((1, 3), (5, 5), (7, 8)), ((4, 4), (6, 6)))


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.data())
def test_no_payload_stops_it(engine: Engine, make, data: st.DataObject) -> None:  # noqa: ANN001
    batch = json.loads(EventBatch(journal=UUID(int=1), floor=1, rows=(make.event(1),)).to_bytes())
    where = data.draw(st.sampled_from([batch, batch["rows"][0]]))
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(json_values)
    payload = data.draw(st.just(json.dumps(batch).encode()) | st.binary())
    topic = data.draw(
        st.sampled_from([f"anura/v1/a/b/{kind}" for kind in ("event", "effort", "notice", "status", "health")])
        | st.text()
    )
    with engine.begin() as connection:
        for _, answer in ingest(connection, [RawMessage(topic, payload, False, NOW)]):
            parse_answer(answer)
    with engine.connect() as connection:
        device_analysis.device_views(connection)


def test_a_database_that_takes_writes_is_writable(engine: Engine) -> None:
    check_writable(engine)


def clock_known(seq: int, seconds: float) -> NoticeRow:
    notice = Notice(uuid4(), NoticeKind.CLOCK_KNOWN, NOW, "the clock was set", "b2:8f31", seconds)
    return notice_row(seq, notice, Provenance("", "", "", "", "0.1.0"))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (0, 3, 0, 1, 2, 3)])
def test_rows_get_the_time_that_became_known_later_once_in_any_order(
    sender: Sender,
    make,  # noqa: ANN001
    order: tuple[int, ...],
) -> None:
    unknown, known, stretch = make.event(1, clock_source="unknown"), make.event(2), make.effort(3)
    stretch = stretch.model_copy(update={"clock_source": ClockSource.UNKNOWN})
    messages = [unknown, known, stretch, clock_known(4, 3_600.5)]
    for each in order:
        sender.rows(messages[each])
    by = timedelta(seconds=3_600.5)
    with sender.engine.connect() as connection:
        columns = events.c.seq, events.c.start_utc, events.c.end_utc, events.c.clock_source
        assert sorted(map(tuple, connection.execute(select(*columns)))) == [
            (1, unknown.start_utc + by, unknown.end_utc + by, "system"),
            (2, known.start_utc, known.end_utc, "recorder"),
        ]
        assert [*map(tuple, connection.execute(select(effort.c.start_utc, effort.c.clock_source)))] == [
            (stretch.start_utc + by, "system")
        ]


def test_rows_whose_time_is_known_are_not_looked_at_again(sender: Sender, make) -> None:  # noqa: ANN001
    """However many a device has: a plan by another index would read all of them with each batch."""
    if sender.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL plans by how much there is")
    sender.rows(make.event(1, clock_source="unknown"))
    sender.rows(clock_known(2, 5.0))
    plans = []

    def explain(connection, cursor, statement, parameters, *_) -> None:  # noqa: ANN001, ANN002
        if statement.startswith("SELECT") and "'unknown'" in statement:
            plans.append(cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()[0][-1])

    listen(sender.engine, "before_cursor_execute", explain)
    sender.rows(make.event(3))
    assert ["_of_unknown_clock" in plan for plan in plans] == [True, True]


def test_no_device_moves_the_times_of_another_and_nonsense_moves_none(sender: Sender, make) -> None:  # noqa: ANN001
    row = make.event(1, clock_source="unknown")
    sender.rows(row)
    Sender(sender.engine, "hostile", sender.journal).rows(clock_known(1, 5.0))
    sender.rows(clock_known(2, 1e15))
    with sender.engine.connect() as connection:
        assert connection.scalar(select(events.c.start_utc)) == row.start_utc


def test_a_database_of_an_older_version_gets_the_columns_and_indexes_that_it_lacks(
    engine: Engine,
    make,  # noqa: ANN001
) -> None:
    with engine.begin() as connection:
        for statement in ("DROP INDEX events_by_score", "ALTER TABLE devices DROP COLUMN model_sha256"):
            connection.execute(text(statement))
    again = open_database(engine.url.render_as_string(hide_password=False))
    assert Sender(again).rows(make.event(1)) == 1
    assert "model_sha256" in {column["name"] for column in inspect(again).get_columns("devices")}
    assert "events_by_score" in {index["name"] for index in inspect(again).get_indexes("events")}
    again.dispose()


def test_what_a_device_took_back_does_not_count_in_whatever_order_it_comes(engine: Engine, make) -> None:  # noqa: ANN001
    """Calls and effort under numbers below the notice's go; those above stay, and so do other recordings."""
    rows = [make.event(1), make.effort(3), make.withdrawal(4), make.event(5), make.effort(6)]
    for number, order in enumerate([*permutations(rows)][::11]):
        sender = Sender(engine, device=f"swamp-{number}")
        fresh = [row.model_copy(update={"id": uuid4()}) for row in (make.event(2, recording="another"), *order)]
        for row in fresh + fresh:  # and all of it comes once more
            sender.rows(row)
        for table, expected in ((events, {2, 5}), (effort, {6})):
            with engine.connect() as connection:
                left = connection.scalars(select(table.c.seq).where(table.c.device == sender.device))
                assert {*left} == expected


def test_nobody_takes_back_what_another_journal_device_or_model_said(engine: Engine, make) -> None:  # noqa: ANN001
    one = Sender(engine)
    one.rows(make.event(1), make.event(2, recording="another"))
    Sender(engine, device="swamp-2").rows(make.withdrawal(9))
    Sender(engine).rows(make.withdrawal(9))
    one.rows(make.withdrawal(9, model_sha256="another"))
    assert one.view().events == 2
    one.rows(make.withdrawal(10))
    assert one.view().events == 1
