"""Tokens in the database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, select

from anura_base.access import tokens
from anura_base.access.roles import Role
from anura_base.access.tables import tokens as tokens_table
from anura_edge.errors import ConfigError

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_token_is_stored_as_a_hash_with_its_last_use(engine: Engine) -> None:
    with engine.begin() as connection:
        token = tokens.add_token(connection, "weekly", Role.VIEW, NOW)
        assert connection.scalar(select(tokens_table.c.used_utc)) is None
        assert token not in str(connection.scalar(select(tokens_table.c.hash)))
    later = NOW + timedelta(days=1)
    assert tokens.find(engine, token, later)
    with engine.begin() as connection:
        assert connection.scalar(select(tokens_table.c.used_utc)) == later
        with pytest.raises(ConfigError, match="token remove weekly"):
            tokens.add_token(connection, "weekly", Role.VIEW, NOW)


def test_error_for_unknown_token_lists_the_tokens(transaction: Connection) -> None:
    tokens.add_token(transaction, "weekly", Role.VIEW, NOW)
    with pytest.raises(ConfigError, match="no token daily; the tokens are: weekly"):
        tokens.remove_token(transaction, "daily")
