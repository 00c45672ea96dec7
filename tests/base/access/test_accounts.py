"""Users and tokens in the database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from anura_base.access import accounts, passwords, sessions, tokens
from anura_base.access.roles import Role
from anura_base.access.tables import tokens as tokens_table
from anura_base.access.tables import users
from anura_edge.errors import ConfigError

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PASSWORD = "frogs call after the rain"


@pytest.fixture
def database(engine):  # noqa: ANN001, ANN201
    """A transaction."""
    with engine.begin() as connection:
        yield connection


def names(connection) -> list[str]:  # noqa: ANN001
    return [f"{row.name} {row.role}" for row in accounts.all_users(connection)]


def test_a_password_is_kept_as_a_hash_that_only_it_matches(database) -> None:  # noqa: ANN001
    accounts.add_user(database, "maria", Role.VIEW, PASSWORD, NOW)
    kept = database.scalar(select(users.c.password_hash))
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,")
    assert passwords.matches(kept, PASSWORD)
    assert not passwords.matches(kept, PASSWORD + "!")
    assert not passwords.matches("no hash at all", PASSWORD)


def test_a_password_is_the_same_from_every_keyboard(database_url) -> None:  # noqa: ANN001
    kept = passwords.hash_password("perere\u0301ca-da-mata")
    assert passwords.matches(kept, "perer\u00e9ca-da-mata")


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
def test_a_password_that_will_not_do_is_refused(database, password) -> None:  # noqa: ANN001
    with pytest.raises(ConfigError, match="12 to 256 characters"):
        accounts.add_user(database, "maria", Role.VIEW, password, NOW)


@pytest.mark.parametrize("name", ["", "Maria", "a b", "../x", "x" * 65, "maria\n", "\u0430nna", "-x"])
def test_a_name_that_looks_like_another_or_like_none_is_refused(database, name) -> None:  # noqa: ANN001
    with pytest.raises(ConfigError, match="name"):
        accounts.add_user(database, name, Role.VIEW, PASSWORD, NOW)


def test_a_name_is_given_once(database, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.VIEW)
    with pytest.raises(ConfigError, match="user password maria"):
        accounts.add_user(database, "maria", Role.ADMIN, PASSWORD, NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda connection: accounts.change_password(connection, "jose", PASSWORD),
        lambda connection: accounts.change_role(connection, "jose", Role.VIEW),
        lambda connection: accounts.remove_user(connection, "jose"),
    ],
)
def test_who_is_not_there_is_named_beside_those_who_are(engine, add_user, change) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    with pytest.raises(ConfigError, match="no user jose; there are: maria"), engine.begin() as connection:
        change(connection)


def test_the_last_admin_stays_while_there_are_others(engine, add_user) -> None:  # noqa: ANN001
    add_user("boss", Role.ADMIN)
    add_user("maria", Role.VIEW)
    with pytest.raises(ConfigError, match="admin"), engine.begin() as connection:
        accounts.remove_user(connection, "boss")
    with pytest.raises(ConfigError, match="admin"), engine.begin() as connection:
        accounts.change_role(connection, "boss", Role.VIEW)
    with engine.begin() as connection:
        assert names(connection) == ["boss admin", "maria view"], "what was refused is taken back"
        accounts.remove_user(connection, "maria")
        accounts.remove_user(connection, "boss")
        assert names(connection) == []


def test_another_password_ends_what_began_with_the_old_one(engine, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    add_user("jose", Role.VIEW)
    with engine.begin() as connection:
        mine, his = (sessions.begin(connection, name, NOW) for name in ("maria", "jose"))
        accounts.change_password(connection, "maria", "toads call after the frogs")
    assert sessions.find(engine, mine, NOW) is None
    assert sessions.find(engine, his, NOW)
    assert accounts.authenticate(engine, "maria", PASSWORD) is None
    assert accounts.authenticate(engine, "maria", "toads call after the frogs")


def test_a_session_lasts_as_long_as_it_is_used_but_not_for_ever(engine, add_user) -> None:  # noqa: ANN001
    add_user("maria", Role.ADMIN)
    with engine.begin() as connection:
        key = sessions.begin(connection, "maria", NOW)
    moment = NOW
    while moment < NOW + sessions.LONGEST - sessions.IDLE / 2:
        moment += sessions.IDLE / 2
        assert sessions.find(engine, key, moment)
    assert sessions.find(engine, key, NOW + sessions.LONGEST + timedelta(seconds=1)) is None


def test_a_token_is_kept_as_a_hash_and_its_last_use_is_known(engine) -> None:  # noqa: ANN001
    with engine.begin() as connection:
        token = tokens.add_token(connection, "weekly", Role.VIEW, NOW)
        assert connection.scalar(select(tokens_table.c.used_utc)) is None
        assert token not in connection.scalar(select(tokens_table.c.hash))
    later = NOW + timedelta(days=1)
    assert tokens.find(engine, token, later)
    with engine.begin() as connection:
        assert connection.scalar(select(tokens_table.c.used_utc)) == later
        with pytest.raises(ConfigError, match="token remove weekly"):
            tokens.add_token(connection, "weekly", Role.VIEW, NOW)


def test_a_token_that_is_not_there_is_named_beside_those_that_are(database) -> None:  # noqa: ANN001
    tokens.add_token(database, "weekly", Role.VIEW, NOW)
    with pytest.raises(ConfigError, match="no token daily; there are: weekly"):
        tokens.remove_token(database, "daily")
