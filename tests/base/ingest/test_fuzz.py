"""Random messages: the result does not depend on grouping or repetition, and memory and tables stay limited."""

import gc
import json
import random
import tracemalloc
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from anura_base.analysis.devices import device_views
from anura_base.analysis.rollup_tables import stale_days
from anura_base.analysis.sites import all_sites
from anura_base.db.schema import dead_letters, devices, incidents, journals, metadata, received
from anura_base.ingest import dead_letters as dead_letter_module
from anura_base.ingest import device_writer, progress_table
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.web.recent_activity import read_recent_activity
from anura_edge.events import NAMESPACE
from anura_edge.wire import (
    MAX_RECORDING_S,
    Ack,
    ClipDenial,
    ClipPart,
    EffortBatch,
    EventBatch,
    Health,
    NoticeBatch,
    Refusal,
    Status,
    pack,
    parse_answer,
)

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PROVENANCE = {"model_id": "m", "model_version": "1", "model_sha256": "5f", "config_hash": "c0", "app_version": "0.1.0"}
RECORDING = {"recording_name": "a.wav", "rate_hz": 22_050}

SLOW = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=25
)

seqs = st.integers(0, 12)
clocks = st.sampled_from(["unknown", "recorder"])
recordings = st.sampled_from(["r1", "r2"])


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, bytes]:
    """A valid batch with random values."""
    kind = draw(st.sampled_from(["event", "effort", "notice"]))
    rows = []
    for seq in draw(st.lists(seqs, max_size=4)):
        start = NOW + timedelta(minutes=seq)
        # Ids repeat with other numbers and devices, as when a card is read by two laptops.
        recording = draw(recordings)
        id_ = uuid5(NAMESPACE, f"{recording}/{draw(st.integers(1, 8))}")
        common = {**PROVENANCE, "seq": seq, "id": id_, "recording": recording}
        analysis = UUID(int=draw(st.integers(20, 22)))
        of_recording = {**common, **RECORDING, "analysis": analysis, "start_utc": start, "clock_source": draw(clocks)}
        if kind == "event":
            position = {"onset_sample": seq, "offset_sample": seq + 1, "end_utc": start}
            rows.append(
                {
                    **of_recording,
                    **position,
                    "label": "L",
                    "scientific_name": "S",
                    "p_peak": 1,
                    "p_mean": 0,
                    "level_dbfs": 0,
                }
            )
        elif kind == "effort":
            rows.append(
                {
                    **of_recording,
                    "state": "analysed",
                    "first_sample": 0,
                    "samples": draw(st.integers(0, int(MAX_RECORDING_S))),
                }
            )
        else:
            what = draw(st.sampled_from(["withdrawn", "clock_known", "news"]))
            rows.append({**common, "what": what, "utc": NOW, "detail": "", "amount": 3.5})
    model = {"event": EventBatch, "effort": EffortBatch, "notice": NoticeBatch}[kind]
    journal = UUID(int=draw(st.integers(1, 2)))
    payload = model.model_validate({"journal": journal, "floor": draw(seqs), "rows": rows}).to_bytes()
    return kind, pack(payload) if draw(st.booleans()) else payload


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("0001-01-01T00:00:00+14:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def other_messages(draw: st.DrawFn) -> tuple[str, bytes]:
    """A status, a health message, or random bytes."""
    health = Health(
        utc=NOW, every_s=1, uptime_s=1, running_s=1, app_version="1", model_sha256="5f", config_hash="c", overruns=0,
        analysed_s=0, dropped_s=0, gaps=0, pending=draw(seqs),
    )  # fmt: skip
    status = Status(state=draw(st.sampled_from(["online", "offline"])), latitude_deg=draw(st.sampled_from([None, 1.5])))
    kind, payload = draw(
        st.sampled_from([("health", health.to_bytes()), ("status", status.to_bytes())])
        | batches()
        | st.tuples(st.sampled_from(["event", "status", "health", "ack", "clip", "x"]), st.binary(max_size=40))
    )
    if draw(st.booleans()) and payload.startswith(b"{"):
        try:
            values = json.loads(payload)
        except ValueError:
            return kind, payload
        where = draw(st.sampled_from([values, *values.get("rows", [])])) if isinstance(values, dict) else {}
        if where:
            where[draw(st.sampled_from(sorted(where)))] = draw(json_values)
            payload = json.dumps(values).encode(errors="replace")
    return kind, payload


@st.composite
def clip_messages(draw: st.DrawFn) -> tuple[str, bytes]:
    """A part of a clip or a denial, for an event that may exist."""
    event = UUID(int=draw(st.integers(1, 8)))
    if draw(st.booleans()):
        why = draw(st.sampled_from(["off", "gone", "later"]))
        return "clip", ClipDenial.model_validate({"event": event, "why": why}).to_bytes()
    data = draw(st.sampled_from([b"", b"fLaC", b"fLaC" * 2, b"more"]))
    sha256, size = draw(st.sampled_from(["5f" * 32, "0" * 64])), draw(st.integers(1, 12))
    part = ClipPart(event=event, sha256=sha256, size=size, first_sample=1, offset=draw(seqs), data=data)
    return "clip", part.to_bytes()


@st.composite
def messages(draw: st.DrawFn) -> RawMessage:
    kind, payload = draw(batches() | other_messages() | clip_messages())
    topic = draw(st.sampled_from([f"anura/v1/s/{device}/{kind}" for device in ("a", "b")]) | st.text(max_size=20))
    return RawMessage(topic, payload, draw(st.booleans()), NOW + timedelta(seconds=draw(st.integers(0, 5))))


def outcome(connection: Connection, groups: list[list[RawMessage]]) -> tuple[Any, Any, Any]:
    """Return what is stored, acknowledged and refused when messages arrive in these groups."""
    acknowledged: dict[tuple[str, UUID], set[str]] = defaultdict(set)
    refused, commands = [], []
    for group in groups:
        for topic, payload in ingest(connection, group):
            if topic.endswith("/cmd"):
                commands.append((topic, payload))
                continue
            answer = parse_answer(payload)
            if isinstance(answer, Refusal):
                refused.append((topic, answer.refused, answer.reason))
            if isinstance(answer, Ack):
                acknowledged[topic, answer.journal] |= set(answer.batches)
    tables = {}
    for table in metadata.sorted_tables:
        if table is incidents:  # they only inform people, and messages that arrive together are not compared
            continue
        columns = [column for column in table.columns if column.name not in ("arrival", "number", "row")]
        rows = map(repr, map(tuple, connection.execute(select(*columns))))
        # PostgreSQL may mark a day as stale more than once.
        tables[table.name] = sorted(set(rows) if table is stale_days else rows)
    return tables, dict(acknowledged), (sorted(refused), commands)


@SLOW
@given(st.lists(messages(), max_size=8), st.integers(1, 4))
def test_result_does_not_depend_on_grouping(engine: Engine, sent: list[RawMessage], size: int) -> None:
    found = []
    for groups in ([[each] for each in sent], [sent], [sent[at : at + size] for at in range(0, len(sent), size)]):
        with engine.connect() as connection, connection.begin() as transaction:
            found.append(outcome(connection, groups))
            device_views(connection)
            read_recent_activity(connection, all_sites(connection, {}))
            transaction.rollback()
    for tables, *answers in found[1:]:
        for name, rows in tables.items():
            assert rows == found[0][0][name], name
        assert tuple(answers) == found[0][1:]


@SLOW
@given(st.lists(messages(), max_size=8))
def test_result_does_not_depend_on_repetition(engine: Engine, sent: list[RawMessage]) -> None:
    batches_only = [each for each in sent if each.topic.endswith(("event", "effort", "notice"))]
    found = []
    for times in (1, 2):
        with engine.connect() as connection, connection.begin() as transaction:
            tables, acknowledged, _ = outcome(connection, [batches_only] * times)
            tables.pop("dead_letters")
            found.append((tables, acknowledged))
            transaction.rollback()
    assert found[0] == found[1]


def test_invalid_messages_do_not_fill_the_memory(engine: Engine, make) -> None:  # noqa: ANN001
    """Payloads with some bytes changed, and random topics."""
    rng = random.Random(7)
    good = EventBatch(journal=UUID(int=1), floor=1, rows=tuple(make.event(seq) for seq in range(1, 4))).to_bytes()

    def invalid() -> RawMessage:
        payload = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            payload[rng.randrange(len(payload))] = rng.randrange(256)
        kind = rng.choice(["event", "effort", "notice", "status", "health", "ack", "x"])
        name = rng.choice([f"anura/v1/s/{rng.randrange(5)}/{kind}", str(rng.random())])
        return RawMessage(name, pack(bytes(payload)) if rng.random() < 0.3 else bytes(payload), rng.random() < 0.1, NOW)

    traced = []
    tracemalloc.start()
    try:
        for _ in range(3):
            for _ in range(10):
                with engine.begin() as connection:
                    ingest(connection, [invalid() for _ in range(50)])
            gc.collect()
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # The first round fills caches such as that of compiled statements.
    assert traced[2] - traced[1] < 200_000


def _count(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def test_tables_of_a_hostile_device_are_limited(engine: Engine, make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    """A device invents sites, journals and gaps, and sends invalid messages."""
    monkeypatch.setattr(device_writer, "MAX_DEVICES", 5)
    monkeypatch.setattr(progress_table, "MAX_JOURNALS", 4)
    monkeypatch.setattr(progress_table, "MAX_SPANS", 6)
    monkeypatch.setattr(dead_letter_module, "MAX_DEAD_LETTERS", 7)

    def send(connection: Connection, site: int, journal: int, seq: int) -> None:
        payload = EventBatch(journal=UUID(int=journal), floor=1, rows=(make.event(seq),)).to_bytes()
        group = [RawMessage(f"anura/v1/s{site}/a/event", payload, False, NOW), RawMessage("x", b"", False, NOW)]
        ingest(connection, group)

    with engine.begin() as connection:
        for number in range(30):
            send(connection, number, 1, 1)
            send(connection, 0, number, 1)
            send(connection, 0, 1, 2 * number + 1)
        assert _count(connection, devices) == 5
        assert _count(connection, journals) == 4 + 4
        assert _count(connection, received) == 6 + 3 + 4
        assert {"gaps", "journals"} <= set(connection.scalars(select(incidents.c.what)))
        assert _count(connection, dead_letters) == 7
    with engine.begin() as connection:  # an older device is still served
        send(connection, 0, 1, 3)
        assert _count(connection, devices) == 5
