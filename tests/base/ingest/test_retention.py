"""Rows are removed after their time at the base station, and never because of a wrong date."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, Table, func, select

from anura_base.config.settings import RetentionSettings
from anura_base.db import running_time
from anura_base.db.schema import effort, events
from anura_base.ingest import retention
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.retention import RetentionJob
from anura_edge.wire import Ack, Row, batch

NOW = datetime.now(UTC)


class Clock:
    """A monotonic clock that the test moves."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def send(engine: Engine, *rows: Row, received_utc: datetime = NOW) -> Ack:
    message = RawMessage(f"anura/v1/pond/one/{rows[0].kind}", batch(UUID(int=1), 1, rows), False, received_utc)
    with engine.begin() as connection:
        ((_, answer),) = ingest(connection, [message])
    return Ack.from_bytes(answer)


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def run_days(engine: Engine, job: RetentionJob, clock: Clock, days: int) -> None:
    """Let the base station run for some days."""
    for _ in range(24 * days):
        clock.now_s += 3_600
        job.run_if_due(engine)


def test_no_row_is_removed_by_default(engine: Engine, make) -> None:  # noqa: ANN001
    clock = Clock()
    job = RetentionJob(RetentionSettings(), clock=clock)
    send(engine, make.event(1), received_utc=NOW - timedelta(days=9_000))
    run_days(engine, job, clock, 3)
    assert count(engine, events) == 1


def test_old_rows_are_removed_and_do_not_count_as_missing(
    engine: Engine,
    make,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retention, "MAX_ROWS", 2)
    clock = Clock()
    job = RetentionJob(RetentionSettings(events_days=3), clock=clock)
    send(engine, *(make.event(seq) for seq in range(1, 6)))
    send(engine, make.effort(6))
    run_days(engine, job, clock, 2)
    send(engine, make.event(7))
    assert (count(engine, events), count(engine, effort)) == (6, 1)
    with caplog.at_level(logging.INFO):
        run_days(engine, job, clock, 2)
        for _ in range(5):
            job.run_if_due(engine)
    assert (count(engine, events), count(engine, effort)) == (1, 1)
    assert +job.removed == {"events": 5}
    assert caplog.messages == ["removed 5 rows of events that were older than `retention` allows"]
    ack = send(engine, make.event(8))
    assert (ack.seq, ack.missing) == (8, ())


def test_running_time_of_several_starts_counts(engine: Engine, make) -> None:  # noqa: ANN001
    """A base station that is switched off each evening removes its rows, too."""
    send(engine, make.event(1))
    for day in range(4):
        assert count(engine, events) == (day < 3)
        clock = Clock()
        run_days(engine, RetentionJob(RetentionSettings(events_days=2), clock=clock), clock, 1)
    assert count(engine, events) == 0


def test_old_recording_that_arrived_recently_stays(engine: Engine, make) -> None:  # noqa: ANN001
    recorded = NOW - timedelta(days=800)
    clock = Clock()
    job = RetentionJob(RetentionSettings(events_days=30), clock=clock)
    send(engine, make.event(1, start_utc=recorded, end_utc=recorded))
    run_days(engine, job, clock, 2)
    assert count(engine, events) == 1


@pytest.mark.parametrize("years", [-40, -2, 2, 40])
def test_wrong_clock_removes_no_row_and_no_clip(engine: Engine, make, years: int) -> None:  # noqa: ANN001
    """The date is years off for a while, at the arrival of a row and while the job runs."""
    send(engine, make.event(1), received_utc=NOW)
    send(engine, make.event(2), make.event(3), received_utc=NOW + timedelta(days=365 * years))
    clock = Clock()
    job = RetentionJob(RetentionSettings(events_days=30, effort_days=1, clips_days=1), clock=clock)
    send(engine, make.effort(4), received_utc=NOW + timedelta(days=365 * years))
    run_days(engine, job, clock, 1)
    assert (count(engine, events), count(engine, effort)) == (3, 1)


def test_retention_reads_no_clock_that_can_be_set() -> None:
    """Its code has no date at all, so no value of the date can matter."""
    for module in (retention, running_time):
        assert "datetime" not in vars(module)
