"""A database that cannot take rows for a while is told about, asked again, and loses nothing."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, func, insert, select
from support import eventually

from anura_base.db.engine import open_database, write_transaction
from anura_base.db.schema import dead_letters
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.worker import IngestWorker
from anura_edge.wire import batch


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    yield engine
    engine.dispose()


def test_it_outlives_a_locked_and_a_full_database(
    engine: Engine,
    tmp_path: Path,
    make,  # noqa: ANN001
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = ["PRAGMA busy_timeout=50"]

    @event.listens_for(engine, "checkout")
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        for pragma in limits:
            connection.execute(pragma)

    inbox, told, stop = IngestQueue(), [], threading.Event()
    worker = IngestWorker(engine, inbox, lambda _, payload: told.append(payload))
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    row = make.event(1)
    with caplog.at_level(logging.INFO), closing(sqlite3.connect(tmp_path / "base.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        inbox.offer(RawMessage("anura/v1/s/d/event", batch(uuid4(), 1, [row]), False, datetime.now(UTC)))
        eventually(lambda: not worker.healthy)
        assert not told
        other.rollback()
        eventually(lambda: worker.healthy and told)

        pages = other.execute("PRAGMA page_count").fetchone()[0]
        limits.append(f"PRAGMA max_page_count={pages}")  # as if the disk were full
        rows = [make.event(seq) for seq in range(2, 500)]
        inbox.offer(RawMessage("anura/v1/s/d/event", batch(uuid4(), 1, rows), False, datetime.now(UTC)))
        eventually(lambda: not worker.healthy)
        limits[1] = "PRAGMA max_page_count=1000000"
        eventually(lambda: worker.healthy and len(told) == 2)
    stop.set()
    thread.join()
    assert "database is locked" in caplog.text
    assert "full" in caplog.text
    assert "Traceback" not in caplog.text


def test_one_that_reads_before_it_writes_waits_for_another_that_writes(engine: Engine) -> None:
    def add(number: int) -> None:
        with write_transaction(engine) as connection:
            there = connection.scalar(select(func.count()).select_from(dead_letters))
            row = {
                "topic": f"{number} after {there}",
                "payload_head": b"",
                "reason": "",
                "received_utc": datetime.now(UTC),
            }
            connection.execute(insert(dead_letters).values(row))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(dead_letters)) == 200
