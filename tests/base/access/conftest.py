"""A database with users for the tests of accounts."""

from collections.abc import Iterator

import pytest
from cheap_passwords import use_cheap_hashes
from sqlalchemy import Connection, Engine

from anura_base.db.engine import open_database


@pytest.fixture
def engine(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    use_cheap_hashes(monkeypatch)
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def transaction(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection
