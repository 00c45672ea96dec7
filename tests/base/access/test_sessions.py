"""Sessions in the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from anura_base.access import sessions
from anura_base.access.roles import Role

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_used_session_stays_valid_until_its_maximum_age(engine: Engine, add_user: Callable[[str, Role], None]) -> None:
    add_user("maria", Role.ADMIN)
    with engine.begin() as connection:
        key = sessions.start(connection, "maria", NOW)
    moment = NOW
    while moment < NOW + sessions.MAX_AGE - sessions.MAX_IDLE / 2:
        moment += sessions.MAX_IDLE / 2
        assert sessions.find(engine, key, moment)
    assert sessions.find(engine, key, NOW + sessions.MAX_AGE + timedelta(seconds=1)) is None
