from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, inspect, select, text, update

from anura_base.db import sqlite_setup
from anura_base.db.engine import check_writable, open_database, write_transaction
from anura_base.db.schema import SCHEMA_VERSION, dead_letters, events, identity
from anura_edge.errors import JournalError


def test_database_that_accepts_writes_is_writable(engine: Engine) -> None:
    check_writable(engine)


def test_old_database_gets_missing_columns_and_indexes(engine: Engine, sender, make: Any) -> None:  # noqa: ANN001
    with engine.begin() as connection:
        for statement in ("DROP INDEX events_by_device", "ALTER TABLE devices DROP COLUMN model_sha256"):
            connection.execute(text(statement))
    opened = open_database(engine.url.render_as_string(hide_password=False))
    assert sender.rows(make.event(1)) == 1
    assert "model_sha256" in {column["name"] for column in inspect(opened).get_columns("devices")}
    assert "events_by_device" in {index["name"] for index in inspect(opened).get_indexes(events.name)}
    opened.dispose()


def test_database_of_a_newer_program_is_refused_and_not_changed(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX events_by_device"))
        connection.execute(update(identity).values(schema_version=SCHEMA_VERSION + 1))
    with pytest.raises(JournalError, match=r"newer anura-base \(version 2\); upgrade this one"):
        open_database(engine.url.render_as_string(hide_password=False))
    assert "events_by_device" not in {index["name"] for index in inspect(engine).get_indexes(events.name)}


def test_database_without_a_version_gets_one(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE identity DROP COLUMN schema_version"))
    open_database(engine.url.render_as_string(hide_password=False)).dispose()
    with engine.connect() as connection:
        assert connection.scalar(select(identity.c.schema_version)) == SCHEMA_VERSION


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_programs_may_open_a_new_database_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        engines = list(pool.map(open_database, [database_url] * 8))
    with engines[0].connect() as connection:
        assert connection.scalar(select(func.count()).select_from(identity)) == 1
    for engine in engines:
        engine.dispose()


def test_database_is_opened_while_another_program_writes(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            with write_transaction(engine) as connection:
                connection.execute(update(identity).values(schema_version=SCHEMA_VERSION))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(20):
                open_database(url).dispose()
        finally:
            stop.set()
        writing.result()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # PostgreSQL has a writer for each row
def test_transaction_that_reads_first_waits_for_other_writers(engine: Engine) -> None:
    def add(number: int) -> None:
        with write_transaction(engine) as connection:
            before = connection.scalar(select(func.count()).select_from(dead_letters))
            row = {
                "topic": f"{number} after {before}",
                "payload_head": b"",
                "reason": "",
                "received_utc": datetime.now(UTC),
            }
            connection.execute(insert(dead_letters).values(row))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(dead_letters)) == 200


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # PostgreSQL has another log
def test_log_stays_short_while_there_is_always_a_reader(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_setup, "MAX_LOG_BYTES", 200_000)
    reads, stop = Event(), Event()

    def read_without_a_pause() -> None:
        with ExitStack() as first:
            readers = first
            while not stop.is_set():
                with ExitStack() as later:
                    later.enter_context(engine.connect()).execute(select(func.count()).select_from(dead_letters))
                    readers.close()
                    readers = later.pop_all()
                reads.set()
            readers.close()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_without_a_pause)
        assert reads.wait(60)
        for number in range(60):
            row = {"topic": str(number), "payload_head": b"x" * 50_000, "reason": "", "received_utc": datetime.now(UTC)}
            with write_transaction(engine) as connection:
                connection.execute(insert(dead_letters).values(row))
        log = Path(f"{engine.url.database}-wal").stat().st_size
        stop.set()
        reading.result()
    assert log < 1_000_000
