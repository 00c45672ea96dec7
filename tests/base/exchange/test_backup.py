"""Backup and restore, from and to both databases."""

import sqlite3
import threading
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text, update

from anura_base.analysis import reviews, rollup
from anura_base.analysis.rollup_tables import call_slots, stale_days
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.clips import transfer
from anura_base.config.settings import ClipSettings, RetentionSettings
from anura_base.db.engine import open_database, write_transaction
from anura_base.db.limits import limit_stored_values
from anura_base.db.schema import SCHEMA_VERSION, age_marks, events, identity, metadata, running_time
from anura_base.exchange.backup import back_up, restore
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.ingest.retention import RetentionJob
from anura_edge.errors import ConfigError, JournalError
from anura_edge.events import Verdict
from anura_edge.wire import Ack, ClipPart, Row, Status, batch

KINDS = ["sqlite", "postgresql"]


def store(engine: Engine, *rows: Row, device: str = "swamp-1") -> Ack:
    message = RawMessage(
        f"anura/v1/pond/{device}/{rows[0].kind}", batch(UUID(int=1), 1, rows), False, datetime.now(UTC)
    )
    with engine.begin() as connection:
        ((_, answer),) = ingest(connection, [message])
    return Ack.from_bytes(answer)


def fill(engine: Engine, make) -> None:  # noqa: ANN001
    """Store rows in every table."""
    store(engine, make.event(1), make.event(2, recording_name="=cmd|'/c calc'!A0"), make.event(4))
    store(engine, make.effort(5), make.effort(6, make.state.DROPPED))
    store(engine, make.withdrawal(9))
    with write_transaction(engine) as connection:
        audio = b"fLaC" + bytes(range(256)) * 8
        event_id = connection.execute(select(events.c.id).limit(1)).scalar_one()
        call = reviews.find_event(connection, event_id)
        assert call
        transfer.request_clip(connection, call, "maria", datetime.now(UTC))
        reviews.add_review(connection, event_id, "maria", Verdict.RELABELLED, "BOAFAB")
        part = ClipPart(event=event_id, sha256="5f" * 32, size=2 * len(audio), first_sample=9, data=audio)
        transfer.receive(connection, "pond", "swamp-1", part, ClipSettings(), datetime.now(UTC))
    with engine.begin() as connection:
        name, now = "anura/v1/pond/swamp-1", datetime.now(UTC)
        status = Status(state="online", latitude_deg=-22.4).to_bytes()
        payloads = [("status", status), ("health", make.health().to_bytes()), ("event", b"{\0")]
        ingest(connection, [RawMessage(f"{name}/{kind}", payload, False, now) for kind, payload in payloads])


def content(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
            if table is not stale_days  # a restore may mark more days
        }


def empty(kind: str, request: pytest.FixtureRequest, file: Path) -> Engine:
    return open_database(f"sqlite:///{file}" if kind == "sqlite" else request.getfixturevalue("postgresql").url)


@pytest.mark.parametrize(("source_kind", "target_kind"), [*product(KINDS, KINDS)])
def test_restored_database_equals_the_backed_up_one(
    source_kind: str,
    target_kind: str,
    request: pytest.FixtureRequest,
    make,  # noqa: ANN001
    tmp_path: Path,
) -> None:
    source = empty(source_kind, request, tmp_path / "source.db")
    fill(source, make)
    before = content(source)
    rows = back_up(source, tmp_path / "backup.db")
    assert rows == sum(map(len, before.values()))
    assert content(source) == before
    metadata.drop_all(source)
    source.dispose()
    target = empty(target_kind, request, tmp_path / "target.db")
    install_triggers(target)  # a base station has run on the empty database
    assert restore(tmp_path / "backup.db", target) == rows
    assert content(target) == before
    # The restored base station goes on: it has no gaps, and new rows and reviews get new numbers.
    with write_transaction(target) as connection:
        event_id = connection.execute(select(events.c.id).limit(1)).scalar_one()
        reviews.add_review(connection, event_id, "maria", Verdict.CONFIRMED)
    assert store(target, make.event(3)).seq == 3
    assert store(target, make.event(7)).seq == 7
    with target.connect() as connection:
        arrivals = connection.scalars(select(events.c.arrival).order_by(events.c.arrival)).all()
    assert len(set(arrivals)) == 5
    metadata.drop_all(target)
    target.dispose()


def test_backup_is_restored_after_the_first_start_of_the_new_database(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    """Someone started the base station on the new computer before the restore. Nothing was received."""
    fill(engine, make)
    RetentionJob(RetentionSettings()).run_if_due(engine)
    back_up(engine, tmp_path / "backup.db")
    new = open_database(f"sqlite:///{tmp_path / 'new.db'}")
    limit_stored_values(new)
    RetentionJob(RetentionSettings()).run_if_due(new)
    restore(tmp_path / "backup.db", new)
    for table in (identity, running_time, age_marks):
        assert content(new)[table.name] == content(engine)[table.name]
    new.dispose()


def test_backup_is_one_private_file_and_a_valid_database(
    engine: Engine,
    make,  # noqa: ANN001
    tmp_path: Path,
) -> None:
    fill(engine, make)
    folder = tmp_path / "backups"
    folder.mkdir()
    back_up(engine, folder / "a.db")
    assert [path.name for path in folder.iterdir()] == ["a.db"]
    assert (folder / "a.db").stat().st_mode & 0o777 == 0o600
    again = open_database(f"sqlite:///{folder / 'a.db'}")
    assert content(again) == content(engine)
    again.dispose()


@pytest.mark.parametrize("database_url", KINDS, indirect=True)
def test_backup_is_a_snapshot_while_rows_are_stored(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    store(engine, make.event(1))
    stop = threading.Event()

    def write() -> None:
        seq = 2
        while not stop.is_set():
            store(engine, make.event(seq))
            seq += 1

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(3):
        back_up(engine, tmp_path / f"{number}.db")
    stop.set()
    writer.join()
    for number in range(3):
        backup = open_database(f"sqlite:///{tmp_path / f'{number}.db'}")
        found = content(backup)
        ((*_, last),) = found["received"]
        assert len(found["events"]) == last, "events and their acknowledged number are from one moment"
        backup.dispose()


def test_existing_file_or_database_is_not_overwritten(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    fill(engine, make)
    back_up(engine, tmp_path / "a.db")
    with pytest.raises(ConfigError, match="exists already"):
        back_up(engine, tmp_path / "a.db")
    before = content(engine)
    with pytest.raises(ConfigError, match="not empty"):
        restore(tmp_path / "a.db", engine)
    assert content(engine) == before


@pytest.mark.parametrize("kind", ["none", "text", "folder", "another", "cut"])
def test_invalid_backup_is_refused(kind: str, engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    file = tmp_path / "x.db"
    match kind:
        case "text":
            file.write_text("nothing of the kind " * 100)
        case "folder":
            file.mkdir()
        case "another":
            with sqlite3.connect(file) as other:
                other.execute("CREATE TABLE birds (name TEXT)")
            other.close()
        case "cut":
            other = open_database(f"sqlite:///{tmp_path / 'whole.db'}")
            store(other, *(make.event(seq) for seq in range(1, 200)))
            back_up(other, file)
            other.dispose()
            file.write_bytes(file.read_bytes()[:-40_000])
    with pytest.raises(ConfigError, match="not a backup"):
        restore(file, engine)


def test_backup_of_a_newer_program_is_refused(engine: Engine, tmp_path: Path) -> None:
    newer = open_database(f"sqlite:///{tmp_path / 'newer.db'}")
    with newer.begin() as connection:
        connection.execute(update(identity).values(schema_version=SCHEMA_VERSION + 1))
    newer.dispose()
    before = content(engine)
    with pytest.raises(JournalError, match="newer anura-base"):
        restore(tmp_path / "newer.db", engine)
    assert content(engine) == before


def test_backup_of_an_older_version_is_restored(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    old = open_database(f"sqlite:///{tmp_path / 'old.db'}")
    fill(old, make)
    with old.begin() as connection:
        connection.execute(text("ALTER TABLE devices DROP COLUMN zone"))
        connection.execute(text("DROP TABLE health"))
        connection.execute(text("ALTER TABLE reviews DROP COLUMN drawn_from"))
        connection.execute(text("ALTER TABLE reviews DROP COLUMN scientific_name"))
    old.dispose()
    install_triggers(engine)
    restore(tmp_path / "old.db", engine)
    assert len(content(engine)["events"]) == 3
    rollup.refresh(engine)
    with engine.connect() as connection:
        labels = connection.scalars(select(call_slots.c.species).where(call_slots.c.confirmed > 0)).all()
    assert labels == ["BOAFAB"], "the sums obey the verdicts, which early versions did not"


def test_unwritable_folder_is_named(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write"):
        back_up(engine, tmp_path / "none" / "a.db")
