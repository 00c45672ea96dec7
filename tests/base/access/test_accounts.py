"""Users in the database."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cheap_passwords import PASSWORD
from sqlalchemy import Connection, Engine

from anura_base.access import accounts, sessions
from anura_base.access.roles import Role
from anura_edge.errors import ConfigError

BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
NOW = datetime(2026, 11, 20, tzinfo=UTC)

AddUser = Callable[[str, Role], None]


def names(connection: Connection) -> list[str]:
    return [f"{row.name} {row.role}" for row in accounts.list_users(connection)]


@pytest.mark.parametrize("name", ["", "Maria", "a b", "../x", "x" * 65, "maria\n", "\u0430nna", "-x"])
def test_invalid_user_name_is_refused(transaction: Connection, name: str) -> None:
    with pytest.raises(ConfigError, match="is not a user name"):
        accounts.add_user(transaction, name, Role.VIEW, PASSWORD, NOW)


@BOTH
def test_second_user_of_a_name_is_refused(transaction: Connection, add_user: AddUser) -> None:
    add_user("maria", Role.VIEW)
    with pytest.raises(ConfigError, match="user password maria"):
        accounts.add_user(transaction, "maria", Role.ADMIN, PASSWORD, NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda connection: accounts.change_password(connection, "jose", PASSWORD),
        lambda connection: accounts.change_role(connection, "jose", Role.VIEW),
        lambda connection: accounts.remove_user(connection, "jose"),
    ],
)
def test_error_for_unknown_user_lists_the_users(
    transaction: Connection, add_user: AddUser, change: Callable[[Connection], None]
) -> None:
    add_user("maria", Role.ADMIN)
    with pytest.raises(ConfigError, match="no user jose; the users are: maria"):
        change(transaction)


@BOTH
def test_last_admin_cannot_be_removed_while_other_users_exist(engine: Engine, add_user: AddUser) -> None:
    add_user("boss", Role.ADMIN)
    add_user("maria", Role.VIEW)
    with pytest.raises(ConfigError, match="admin"), engine.begin() as connection:
        accounts.remove_user(connection, "boss")
    with pytest.raises(ConfigError, match="admin"), engine.begin() as connection:
        accounts.change_role(connection, "boss", Role.VIEW)
    with engine.begin() as connection:
        assert names(connection) == ["boss admin", "maria view"], "a refused change is rolled back"
        accounts.remove_user(connection, "maria")
        accounts.remove_user(connection, "boss")
        assert names(connection) == []


@BOTH
def test_new_password_ends_the_sessions_of_its_user_only(engine: Engine, add_user: AddUser) -> None:
    add_user("maria", Role.ADMIN)
    add_user("jose", Role.VIEW)
    with engine.begin() as connection:
        of_maria, of_jose = (sessions.start(connection, name, NOW) for name in ("maria", "jose"))
        accounts.change_password(connection, "maria", "toads call after the frogs")
    assert sessions.find(engine, of_maria, NOW) is None
    assert sessions.find(engine, of_jose, NOW)
    assert accounts.authenticate(engine, "maria", PASSWORD) is None
    assert accounts.authenticate(engine, "maria", "toads call after the frogs")
