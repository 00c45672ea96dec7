"""A database for the tests of accounts."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, insert

from anura_base.access.roles import Role
from anura_base.access.tables import users
from anura_base.db.engine import open_database

CHEAP_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("frogs call after the rain")
"""A hash contains its parameters. The check of this one is fast."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def add_user(engine: Engine) -> Callable[[str, Role], None]:
    def add(name: str, role: Role) -> None:
        row = {"name": name, "role": role.value, "password_hash": CHEAP_HASH, "created_utc": datetime.now(UTC)}
        with engine.begin() as connection:
            connection.execute(insert(users).values(row))

    return add
