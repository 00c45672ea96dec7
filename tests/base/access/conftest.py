"""A database with users for the tests of accounts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from cheap_passwords import HASH, use_cheap_hashes
from sqlalchemy import Connection, Engine, insert

from anura_base.access.roles import Role
from anura_base.access.tables import users
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


@pytest.fixture
def add_user(engine: Engine) -> Callable[[str, Role], None]:
    def add(name: str, role: Role) -> None:
        row = {"name": name, "role": role.value, "password_hash": HASH, "created_utc": datetime.now(UTC)}
        with engine.begin() as connection:
            connection.execute(insert(users).values(row))

    return add
