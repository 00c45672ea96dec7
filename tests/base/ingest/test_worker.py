"""Rows wait while the database is locked or full, and none is lost."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event
from support import eventually

from anura_base.db.engine import open_database
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.worker import IngestWorker
from anura_edge.wire import batch


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    yield engine
    engine.dispose()


def test_worker_retries_after_a_locked_and_a_full_database(
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

    queue, published, stop = IngestQueue(), [], threading.Event()
    worker = IngestWorker(engine, queue, lambda _, payload: published.append(payload))
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    row = make.event(1)
    with caplog.at_level(logging.INFO), closing(sqlite3.connect(tmp_path / "base.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        queue.offer(RawMessage("anura/v1/s/d/event", batch(uuid4(), 1, [row]), False, datetime.now(UTC)))
        eventually(lambda: not worker.healthy)
        assert not published
        other.rollback()
        eventually(lambda: worker.healthy and published)

        pages = other.execute("PRAGMA page_count").fetchone()[0]
        limits.append(f"PRAGMA max_page_count={pages}")  # as if the disk were full
        rows = [make.event(seq) for seq in range(2, 500)]
        queue.offer(RawMessage("anura/v1/s/d/event", batch(uuid4(), 1, rows), False, datetime.now(UTC)))
        eventually(lambda: not worker.healthy)
        limits[1] = "PRAGMA max_page_count=1000000"
        eventually(lambda: worker.healthy and len(published) == 2)
    stop.set()
    thread.join()
    assert "database is locked" in caplog.text
    assert "full" in caplog.text
    assert "Traceback" not in caplog.text
