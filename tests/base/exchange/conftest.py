"""An open database. It is SQLite, or what a test sets by `database_url`."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from anura_base.db.engine import open_database


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()
