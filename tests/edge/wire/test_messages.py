"""Each message round-trips, and hostile input gives at most a DeliveryError."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge import wire
from anura_edge.audio import ClockSource
from anura_edge.errors import DeliveryError
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind
from anura_edge.wire import (
    Ack,
    EffortBatch,
    EventBatch,
    EventRow,
    Health,
    NoticeBatch,
    Provenance,
    Status,
)
from anura_edge.wire.rows import MAX_CHANNEL

MESSAGES = [
    *(EventBatch, EffortBatch, NoticeBatch, Status, Health, Ack, wire.Refusal),
    *(wire.ClipPart, wire.ClipDenial, wire.ClipWanted, wire.ClipSettled),
]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
times = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
counts = st.integers(0, wire.MAX_SEQ)
samples = st.integers(0, int(wire.MAX_RECORDING_S))
rates = st.integers(1, 1_000_000)
shares = st.floats(0, 1)
amounts = st.floats(0, 1e12)
clocks = st.sampled_from(ClockSource)
provenances = st.builds(Provenance, texts, texts, texts, texts, texts)


@st.composite
def events(draw: st.DrawFn, times: st.SearchStrategy[datetime] = times) -> Event:
    onset_sample, offset_sample = sorted((draw(samples), draw(samples)))
    start_utc, end_utc = sorted((draw(times), draw(times)))
    return Event(
        id=draw(st.uuids()),
        label=draw(texts),
        scientific_name=draw(texts),
        recording=draw(texts),
        recording_name=draw(texts),
        onset_sample=onset_sample,
        offset_sample=offset_sample,
        rate_hz=draw(rates),
        start_utc=start_utc,
        end_utc=end_utc,
        clock_source=draw(clocks),
        p_peak=draw(shares),
        p_mean=draw(shares),
        level_dbfs=draw(st.floats(-120, 20)),
        channel=draw(st.none() | st.integers(0, MAX_CHANNEL)),
        common_name=draw(texts),
    )


efforts = st.builds(
    Effort,
    id=st.uuids(),
    recording=texts,
    recording_name=texts,
    state=st.sampled_from(EffortState),
    first_sample=samples,
    samples=samples,
    rate_hz=rates,
    start_utc=times,
    clock_source=clocks,
)
notices = st.builds(
    Notice,
    id=st.uuids(),
    what=st.sampled_from(NoticeKind),
    utc=times,
    detail=texts,
    recording=texts,
    amount=st.none() | st.floats(-1e18, 1e18),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def encode(message: object) -> bytes:
    return json.dumps(message).encode()


@given(st.uuids(), counts, st.lists(st.tuples(counts, events()), min_size=1, max_size=3), provenances)
def test_event_batch_round_trips(
    journal: UUID, floor: int, numbered: list[tuple[int, Event]], provenance: Provenance
) -> None:
    rows = tuple(wire.event_row(seq, event, provenance) for seq, event in numbered)
    assert EventBatch.from_bytes(wire.batch(journal, floor, rows)) == EventBatch(
        journal=journal, floor=floor, rows=rows
    )


@given(events(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=14))]))), provenances)
def test_time_outside_the_bounds_is_limited_and_its_clock_unknown(event: Event, provenance: Provenance) -> None:
    """What a device makes, a base station accepts, even if a header says the year 1."""
    row = wire.event_row(1, event, provenance)
    assert EventBatch.from_bytes(wire.batch(UUID(int=1), 1, [row])).rows == (row,)
    assert wire.FIRST_UTC <= row.start_utc <= row.end_utc <= wire.LAST_UTC
    if not wire.FIRST_UTC < event.start_utc < wire.LAST_UTC:
        assert row.clock_source == ClockSource.UNKNOWN


@given(st.uuids(), counts, st.lists(st.tuples(counts, efforts), min_size=1, max_size=3), provenances)
def test_effort_batch_round_trips(
    journal: UUID, floor: int, numbered: list[tuple[int, Effort]], provenance: Provenance
) -> None:
    rows = tuple(wire.effort_row(seq, effort, provenance) for seq, effort in numbered)
    payload = wire.batch(journal, floor, rows)
    assert EffortBatch.from_bytes(payload) == EffortBatch(journal=journal, floor=floor, rows=rows)


@given(st.uuids(), counts, st.lists(st.tuples(counts, notices), min_size=1, max_size=3), provenances)
def test_notice_batch_round_trips(
    journal: UUID, floor: int, numbered: list[tuple[int, Notice]], provenance: Provenance
) -> None:
    rows = tuple(wire.notice_row(seq, notice, provenance) for seq, notice in numbered)
    payload = wire.batch(journal, floor, rows)
    assert NoticeBatch.from_bytes(payload) == NoticeBatch(journal=journal, floor=floor, rows=rows)


@given(st.builds(Status, state=st.sampled_from(["online", "offline"]), since_utc=st.none() | times, model_id=texts))
def test_status_round_trips(status: Status) -> None:
    assert Status.from_bytes(status.to_bytes()) == status


@given(times, st.lists(texts, max_size=16), st.lists(amounts, min_size=7, max_size=7), counts, st.none() | texts)
def test_health_round_trips(
    utc: datetime, problems: list[str], sizes: list[float], count: int, code: str | None
) -> None:
    names = "every_s uptime_s running_s analysed_s dropped_s oldest_pending_s real_time_factor"
    sums = dict(zip(names.split(), sizes, strict=True))
    codes = dict.fromkeys(["app_version", "model_sha256", "config_hash"], code or "")
    numbers = dict.fromkeys(["overruns", "gaps", "pending", "disk_free_bytes"], count)
    health = Health(utc=utc, problems=tuple(problems), boot_id=code, **sums, **codes, **numbers)
    assert Health.from_bytes(health.to_bytes()) == health


@given(st.builds(Ack, journal=st.uuids(), seq=counts))
def test_ack_round_trips(ack: Ack) -> None:
    assert Ack.from_bytes(ack.to_bytes()) == ack


@given(st.text(max_size=9), json_values)
def test_unknown_field_is_ignored(event_batch: dict[str, Any], key: str, value: Any) -> None:
    rows = [{f"new_{key}": value, **row} for row in event_batch["rows"]]
    assert EventBatch.from_bytes(encode({**event_batch, f"new_{key}": value, "rows": rows})) == EventBatch.from_bytes(
        encode(event_batch)
    )


@pytest.mark.parametrize("schema", ["anura/2", "anura/1.1", "anura", "", None, 1])
@pytest.mark.parametrize("message", MESSAGES)
def test_other_major_version_is_refused(event_batch: dict[str, Any], message: type[Any], schema: object) -> None:
    journal = str(UUID(int=1))
    honest = {"journal": journal, "floor": 1, "rows": [], "state": "online", "seq": 1}
    honest |= {"base": journal, "refused": "0" * 16, "reason": ""}
    honest |= {"utc": "2026-11-20T19:30:00Z", "app_version": "1", "model_sha256": "5f", "config_hash": "c0ffee"}
    honest |= {"every_s": 1, "uptime_s": 1, "running_s": 1, "analysed_s": 1, "dropped_s": 1}
    honest |= {"overruns": 1, "gaps": 1, "pending": 1}
    honest |= {"event": journal, "sha256": "0" * 64, "size": 1, "first_sample": 0, "why": "off"}
    honest |= {"command": "clip" if message is wire.ClipWanted else "clip_settled"}
    assert message.from_bytes(encode(honest)), "no schema at all is read as the first"
    with pytest.raises(DeliveryError, match="schema"):
        message.from_bytes(encode({**honest, "schema": schema}))


@given(
    st.sampled_from(MESSAGES), st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | json_values.map(encode)
)
def test_any_bytes_give_a_message_or_a_delivery_error(message: type[Any], payload: bytes) -> None:
    try:
        assert isinstance(message.from_bytes(payload), message)
    except DeliveryError as error:
        assert str(error)  # noqa: PT017


@given(st.data(), json_values | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 10**30]))
def test_any_field_value_gives_a_batch_or_a_delivery_error(
    event_batch: dict[str, Any], data: st.DataObject, value: Any
) -> None:
    batch = json.loads(encode(event_batch))
    target = data.draw(st.sampled_from([batch, *batch["rows"]]))
    target[data.draw(st.sampled_from(sorted(target)))] = value
    try:
        row = EventBatch.from_bytes(encode(batch)).rows
        assert all(isinstance(entry, EventRow) for entry in row)
    except DeliveryError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0" * 100,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"rows": [' + b"{}," * 100_000 + b"{}]}",
        b" " * (wire.MAX_PAYLOAD_BYTES + 1),
        b"1" * 5_000,
        b'"\\ud800"',
        b'{"seq": 1e999}',
        b"NaN",
    ],
)
@pytest.mark.parametrize("message", MESSAGES)
def test_decompression_bomb_is_a_delivery_error(message: type[Any], payload: bytes) -> None:
    with pytest.raises(DeliveryError):
        message.from_bytes(payload)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_utc", "2026-11-20T19:30:00"),
        ("start_utc", "0001-01-01T00:00:00+14:00"),
        ("start_utc", "0001-01-01T00:00:00Z"),
        ("start_utc", "9999-12-31T23:59:59Z"),
        ("end_utc", "9999-12-31T23:59:59-14:00"),
        ("end_utc", "1960-01-01T00:00:00Z"),
        ("onset_sample", 2**53 - 1),
        ("offset_sample", 0),
        ("level_dbfs", 1.7e308),
        ("end_utc", "yesterday"),
        ("seq", -1),
        ("seq", 2**53),
        ("seq", 1.5),
        ("rate_hz", 0),
        ("p_peak", 1.01),
        ("p_peak", float("nan")),
        ("level_dbfs", float("inf")),
        ("label", "x" * 65),
        ("recording_name", "x" * 513),
        ("recording_name", "a\0b"),
        ("clock_source", "sundial"),
        ("id", "not-a-uuid"),
        ("label", None),
    ],
)
def test_wrong_value_is_refused_with_the_field_name(event_batch: dict[str, Any], field: str, value: object) -> None:
    rows = [event_batch["rows"][0], {**event_batch["rows"][1], field: value}]
    with pytest.raises(DeliveryError, match=rf"^(rows\.1\.{field}|payload):"):
        EventBatch.from_bytes(encode({**event_batch, "rows": rows}))


def _numbers(schema: Any, path: str = "") -> dict[str, dict[str, Any]]:
    """Return every schema of a number, by its path."""
    if isinstance(schema, list):
        return {name: found for part in schema for name, found in _numbers(part, path).items()}
    if not isinstance(schema, dict):
        return {}
    own = {path: schema} if schema.get("type") in ("integer", "number") else {}
    return own | {
        key: found for name, part in schema.items() for key, found in _numbers(part, f"{path}/{name}").items()
    }


def test_every_number_on_the_wire_has_limits() -> None:
    numbers = _numbers(wire.json_schema())
    assert numbers
    for path, schema in numbers.items():
        assert {"minimum", "exclusiveMinimum"} & schema.keys(), path
        assert "maximum" in schema, path


def test_time_with_any_offset_is_the_same_moment(event_batch: dict[str, Any]) -> None:
    local = datetime(2026, 11, 20, 19, 30, tzinfo=timezone(timedelta(hours=-3)))
    rows = [{**event_batch["rows"][0], "start_utc": local.isoformat(), "end_utc": local.isoformat()}]
    (row,) = EventBatch.from_bytes(encode({**event_batch, "rows": rows})).rows
    assert row.start_utc == local
    assert row.start_utc.tzinfo == UTC


@given(st.binary(max_size=2_000))
def test_compressed_payload_has_its_own_content_type(payload: bytes) -> None:
    assert wire.content_type(wire.pack(payload)) == "application/zlib"
    assert wire.content_type(b'{"schema": "anura/1"}') == "application/json"


def test_answer_is_an_acknowledgement_or_a_refusal() -> None:
    ack = wire.Ack(base=uuid4(), journal=uuid4(), batches=(wire.digest(b"{}"),), seq=7, missing=((8, 8),))
    refusal = wire.Refusal(base=uuid4(), refused=wire.digest(b"{"), reason="payload: EOF")
    assert [wire.parse_answer(each.to_bytes()) for each in (ack, refusal)] == [ack, refusal]
    with pytest.raises(DeliveryError, match="base"):
        wire.parse_answer(b"{}")


def test_only_the_device_key_makes_a_mac_and_each_field_that_matters_is_covered() -> None:
    key = wire.device_key(b"secret", "swamp-1")
    ack = wire.Ack(base=UUID(int=1), journal=UUID(int=2), batches=("0" * 16,), seq=7).signed(key)
    refusal = wire.Refusal(base=UUID(int=1), refused="0" * 16, reason="bad").signed(key)
    for answer in (ack, refusal):
        assert type(answer).from_bytes(answer.to_bytes()).is_signed(key)
        assert not answer.is_signed(wire.device_key(b"secret", "swamp-2"))
        assert not answer.model_copy(update={"mac": None}).is_signed(key)
        assert not answer.model_copy(update={"base": UUID(int=9)}).is_signed(key)
    assert not ack.model_copy(update={"batches": ("1" * 16,)}).is_signed(key)
    assert not ack.model_copy(update={"journal": UUID(int=9)}).is_signed(key)
    assert not refusal.model_copy(update={"refused": "1" * 16}).is_signed(key)
