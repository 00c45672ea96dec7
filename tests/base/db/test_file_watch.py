"""A base station whose database file is gone ends with the reason, so that nobody looks for the reason elsewhere."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from anura_base.db import file_watch
from anura_base.db.engine import open_database
from anura_base.db.file_watch import DatabaseFileWatch
from anura_base.db.schema import events
from anura_edge.errors import JournalError


def test_removed_database_ends_the_base_station_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_watch, "CHECK_EVERY_S", 0.01)
    monkeypatch.setattr(file_watch, "MISSING_S", 0.03)
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    watch = DatabaseFileWatch(engine)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(JournalError, match=r"base\.db was removed; put it back, or restore a backup"):
        watch.run(threading.Event())
    assert "was removed; put it back" in caplog.text
    with pytest.raises(SQLAlchemyError, match="was removed"), engine.connect() as connection:
        connection.execute(select(events))
    assert not list(tmp_path.iterdir())
    engine.dispose()
