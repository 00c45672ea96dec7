import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, Table, func, select

from anura_base.config.settings import RetentionSettings
from anura_base.db.schema import effort, events
from anura_base.ingest import retention
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.retention import RetentionJob
from anura_edge.wire import Ack, Row, batch

NOW = datetime.now(UTC)


def send(engine: Engine, *rows: Row, days_ago: float = 0) -> Ack:
    received_utc = NOW - timedelta(days=days_ago)
    message = RawMessage(f"anura/v1/pond/one/{rows[0].kind}", batch(UUID(int=1), 1, rows), False, received_utc)
    with engine.begin() as connection:
        ((_, answer),) = ingest(connection, [message])
    return Ack.from_bytes(answer)


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_no_row_is_removed_by_default(engine: Engine, make) -> None:  # noqa: ANN001
    send(engine, make.event(1), days_ago=9_000)
    RetentionJob(RetentionSettings()).run_if_due(engine)
    assert count(engine, events) == 1


def test_old_rows_are_removed_and_do_not_count_as_missing(
    engine: Engine,
    make,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(retention, "MAX_ROWS", 2)
    send(engine, *(make.event(seq) for seq in range(1, 6)), days_ago=31)
    send(engine, make.effort(6), days_ago=31)
    send(engine, make.event(7), days_ago=29)
    job = RetentionJob(RetentionSettings(events_days=30))
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            job.run_if_due(engine)
    assert (count(engine, events), count(engine, effort)) == (1, 1)
    assert job.removed == {"events": 5}
    assert caplog.messages == ["removed 5 rows of events that were older than `retention` allows"]
    ack = send(engine, make.event(8))
    assert (ack.seq, ack.missing) == (8, ())


def test_old_recording_that_arrived_recently_stays(engine: Engine, make) -> None:  # noqa: ANN001
    recorded = NOW - timedelta(days=800)
    send(engine, make.event(1, start_utc=recorded, end_utc=recorded))
    RetentionJob(RetentionSettings(events_days=30)).run_if_due(engine)
    assert count(engine, events) == 1
