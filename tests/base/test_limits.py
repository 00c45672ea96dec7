"""Rows at the limits of their values, and rows of an older database beyond them, end no job and break no page."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select, text, update
from starlette.testclient import TestClient

from anura_base.alerts.evaluator import AlertEvaluator
from anura_base.analysis import rollup
from anura_base.analysis.rollup_tables import stale_days
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.alerts import AlertSettings
from anura_base.db.incidents import IncidentKind
from anura_base.db.limits import limit_stored_values
from anura_base.db.schema import dead_letters, effort, events, health, incidents, upgrades
from anura_base.exchange.export import EXPORTS
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.server import keep_running
from anura_base.web.app import create_app
from anura_edge.audio import ClockSource
from anura_edge.wire import FIRST_UTC, LAST_UTC, MAX_LEVEL_DBFS, MAX_RECORDING_S, MAX_SEQ, MAX_SIGNED_AMOUNT, topic

RULES = AlertSettings.model_validate(
    {
        "mqtt": True,
        "rules": {
            "first": {"when": "first_call_of_night", "max_age_h": 8_760},
            "rare": {"when": "rare_species", "absent_days": 60},
            "silent": {"when": "device_silent", "after_h": 6},
            "unwell": {"when": "device_health", "disk_below_gb": 2, "backlog_above_h": 1, "any_problem": True},
            "idle": {"when": "effort_low"},
        },
    }
)
PAGES = (
    "/", "/network", "/species", "/species?view=sunset", "/species?view=clock", "/species.csv", "/night", "/anomalies",
    "/review", "/alerts", "/explore/recordings", "/metrics", "/healthz", "/api/exports/training",
    *(f"/night?evening={year}" for year in ("1950-01-01", "2199-12-31", "2026-11-20")),
    *(f"/anomalies?evening={year}" for year in ("1950-01-01", "2199-12-31")),
    *(f"/api/{name}?limit=1000" for name in ("events", "effort", "notices", "alerts")),
    "/api/devices", "/api/events/ids",
    *(f"/api/exports/{name}" for name in EXPORTS if "parquet" not in name),
)  # fmt: skip

TIMES = [FIRST_UTC, datetime(2026, 11, 20, 19, 30, tzinfo=UTC), LAST_UTC]
RATES = [1, 22_050, 1_000_000]
SHARES = st.sampled_from([0.0, 0.5, 1.0])


@st.composite
def rows_at_limits(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Each number of a row is at a limit, or is usual."""
    rate = draw(st.sampled_from(RATES))
    samples = st.sampled_from([0, 22_050, int(MAX_RECORDING_S) * rate])
    start, end = sorted([draw(st.sampled_from(TIMES)), draw(st.sampled_from(TIMES))])
    first, last = sorted([draw(samples), draw(samples)])
    codes = dict.fromkeys(["model_id", "model_version", "model_sha256", "config_hash", "app_version"], "1")
    row = {**codes, "seq": draw(st.sampled_from([0, 1, MAX_SEQ])), "id": str(uuid4()), "recording": "r"}
    if kind == "notice":
        amount = draw(st.sampled_from([None, -MAX_SIGNED_AMOUNT, 0, MAX_SIGNED_AMOUNT]))
        what = draw(st.sampled_from(["clock_known", "withdrawn", "disk_low"]))
        return {**row, "what": what, "utc": start.isoformat(), "detail": "", "amount": amount}
    clock = draw(st.sampled_from(ClockSource))
    row |= {
        "analysis": str(UUID(int=2)),
        "recording_name": "r.wav",
        "rate_hz": rate,
        "start_utc": start.isoformat(),
        "clock_source": clock,
    }
    if kind == "effort":
        return {**row, "state": "analysed", "first_sample": first, "samples": last}
    level = draw(st.sampled_from([-MAX_LEVEL_DBFS, -30, MAX_LEVEL_DBFS]))
    row |= {"label": "L", "scientific_name": "Boana faber", "end_utc": end.isoformat(), "level_dbfs": level}
    return {**row, "onset_sample": first, "offset_sample": last, "p_peak": draw(SHARES), "p_mean": draw(SHARES)}


@st.composite
def health_at_limits(draw: st.DrawFn) -> dict[str, Any]:
    amounts = st.sampled_from([0, 1, 1e12])
    names = "every_s uptime_s running_s since_inference_s real_time_factor analysed_s dropped_s oldest_pending_s"
    counts = "overruns gaps pending disk_free_bytes clips_saved memory_bytes throttled"
    message: dict[str, Any] = {name: draw(amounts) for name in names.split()}
    message |= {name: draw(st.sampled_from([0, MAX_SEQ])) for name in counts.split()}
    message |= {"drift_ppm": draw(st.sampled_from([-MAX_SIGNED_AMOUNT, MAX_SIGNED_AMOUNT]))}
    message |= {"temperature_c": draw(st.sampled_from([-300, 1_000])), "battery_percent": 100}
    codes = dict.fromkeys(["app_version", "model_sha256", "config_hash"], "1")
    return {**message, **codes, "utc": draw(st.sampled_from(TIMES)).isoformat()}


@pytest.fixture
def summed(engine: Engine) -> Engine:
    install_triggers(engine)
    return engine


def send(engine: Engine, kind: Any, content: dict[str, Any]) -> None:
    with engine.begin() as connection:
        message = RawMessage(topic("INCT04", "a", kind), json.dumps(content).encode(), False, datetime.now(UTC))
        ingest(connection, [message])


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def evaluator(engine: Engine) -> AlertEvaluator:
    alerts = AlertEvaluator(engine, RULES, {})
    alerts.evaluate(datetime.now(UTC))  # events before the first evaluation cause no alerts
    return alerts


def failing_pages(engine: Engine) -> list[tuple[str, int, str]]:
    ingest_status = SimpleNamespace(commits=0, healthy=True)
    app = create_app(engine, ingest_status, SimpleNamespace(connected=True), threading.Event(), alerts=RULES)
    client = TestClient(app, base_url="http://127.0.0.1:8080", raise_server_exceptions=True)
    answers = ((page, client.get(page)) for page in PAGES)
    # An export may refuse data that it cannot express, such as a site without a place.
    return [(page, each.status_code, each.text[:300]) for page, each in answers if each.status_code not in (200, 422)]


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=8)
@given(
    st.lists(rows_at_limits("event"), min_size=3, max_size=6),
    st.lists(rows_at_limits("effort"), min_size=2, max_size=4),
    st.lists(rows_at_limits("notice"), max_size=3),
    health_at_limits(),
)
def test_rows_at_their_limits_end_no_job_and_break_no_page(
    summed: Engine, calls: Any, hours: Any, told: Any, report: Any
) -> None:
    alerts = evaluator(summed)
    before = len(refusals(summed))
    for kind, rows in (("event", calls), ("effort", hours), ("notice", told)):
        send(summed, kind, {"journal": str(UUID(int=1)), "floor": 0, "rows": rows})
    send(summed, "health", report)
    assert refusals(summed)[before:] == []
    rollup.refresh(summed)
    alerts.evaluate(datetime.now(UTC) + timedelta(days=1))
    assert failing_pages(summed) == []
    assert [kind for kind in _incidents(summed) if kind == IncidentKind.UNUSABLE] == []


def refusals(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(dead_letters.c.reason).order_by(dead_letters.c.arrival)))


def _incidents(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(incidents.c.what)))


@pytest.mark.parametrize("year", ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00"])
def test_row_of_an_older_database_beyond_the_limits_does_not_end_the_base_station(
    summed: Engine, sender: Any, make: Any, year: str
) -> None:
    sender.rows(*(make.event(seq) for seq in range(1, 4)))
    sender.rows(make.effort(4))
    sender.health(make.health())
    alerts = evaluator(summed)
    time = year.replace("+00", ".000000") if summed.dialect.name == "sqlite" else year
    with summed.begin() as connection:  # as an earlier version stored them
        connection.execute(text(f"UPDATE events SET start_utc = '{time}', end_utc = '{time}' WHERE seq = 1"))
        connection.execute(text(f"UPDATE effort SET start_utc = '{time}'"))
        connection.execute(update(events).where(events.c.seq == 2).values(level_dbfs=1.7e308, onset_sample=2**53))
        connection.execute(update(effort).values(samples=2**53, rate_hz=1))
        connection.execute(update(health).values(message='{"drift_ppm": 1e300}'))
        connection.execute(text("DELETE FROM upgrades"))
    limit_stored_values(summed)
    limit_stored_values(summed)
    rollup.refresh(summed)
    alerts.evaluate(datetime.now(UTC))
    assert failing_pages(summed) == []
    with summed.connect() as connection:
        clocks = connection.execute(select(events.c.clock_source).order_by(events.c.seq)).scalars().all()
        assert clocks == [ClockSource.UNKNOWN, ClockSource.RECORDER, ClockSource.RECORDER]
        assert connection.scalar(select(func.count()).select_from(stale_days)) == 0
        assert (count(summed, health), count(summed, upgrades)) == (0, 1)


def test_call_that_a_rule_cannot_use_is_reported_and_others_cause_alerts(
    engine: Engine, sender: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = evaluator(engine)
    monkeypatch.setattr("anura_base.alerts.evaluator._call_info", _fails_for("anura_base.alerts.evaluator._call_info"))
    now = datetime(2026, 11, 20, 20, tzinfo=UTC)
    sender.rows(make.event(1, label="BAD"), make.event(2))
    alerts.evaluate(now)
    alerts.evaluate(now)
    assert _incidents(engine).count(IncidentKind.UNUSABLE) == 1
    with engine.connect() as connection:
        assert "first" in connection.scalars(text("SELECT rule FROM alert_firings")).all()


def _fails_for(name: str) -> Callable[[Any], Any]:
    module, _, function = name.rpartition(".")
    real = getattr(__import__(module, fromlist=[function]), function)

    def info(row: Any) -> Any:
        if row["label"] == "BAD":
            raise OverflowError("date value out of range")
        return real(row)

    return info


def test_day_that_cannot_be_summed_up_is_reported_and_others_have_sums(
    summed: Engine, sender: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.rows(make.event(1), make.event(2, start_utc=TIMES[1] - timedelta(days=9)))
    real = rollup._compute_day

    def fail_on_one_day(connection: Any, site: str, first: datetime) -> None:
        if first.date() == TIMES[1].date():
            raise OverflowError("date value out of range")
        real(connection, site, first)

    monkeypatch.setattr(rollup, "_compute_day", fail_on_one_day)
    rollup.refresh(summed)
    assert count(summed, rollup.call_slots) == 1
    assert _incidents(summed) == [IncidentKind.UNUSABLE]


def test_loop_that_fails_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anura_base.server.RESTART_S", 0)
    stop, calls = threading.Event(), []

    def loop(stop: threading.Event) -> None:
        calls.append(1)
        if len(calls) == 3:
            stop.set()
        raise OverflowError

    keep_running(loop, stop)
    assert len(calls) == 3


def test_row_of_a_time_to_come_has_an_unknown_clock_and_is_reported(engine: Engine, sender: Any, make: Any) -> None:
    far = datetime(2031, 1, 1, tzinfo=UTC)
    sender.rows(make.event(1, start_utc=far, end_utc=far), make.event(2))
    with engine.connect() as connection:
        assert connection.scalars(select(events.c.clock_source).order_by(events.c.seq)).all() == ["unknown", "recorder"]
    assert _incidents(engine) == [IncidentKind.FUTURE]


def test_message_that_fails_for_any_reason_becomes_a_dead_letter(
    engine: Engine, sender: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with one message, the others of its group are stored."""

    def fail(_connection: Any, messages: Any) -> None:
        if any(row.seq == 2 for message in messages for row in message.rows):
            raise OverflowError("date value out of range")

    monkeypatch.setattr("anura_base.ingest.writer.store_health", fail)
    with engine.begin() as connection:
        group = [
            RawMessage(topic("INCT04", "a", "event"), _batch(make.event(seq)), False, datetime.now(UTC))
            for seq in (1, 2, 3)
        ]
        ingest(connection, group)
    assert (count(engine, events), sender.reasons()) == (2, ["date value out of range"])


def _batch(row: Any) -> bytes:
    rows = [json.loads(row.to_bytes())]
    return json.dumps({"journal": str(UUID(int=1)), "floor": 1, "rows": rows}).encode()
