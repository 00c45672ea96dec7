"""Users: who they are, and whether a password is theirs.

What changes something writes first and looks afterwards, in one transaction: SQLite refuses a transaction that has
looked, and then wants to write after the ingest did.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from anura_base.access import passwords
from anura_base.access.roles import Principal, Role
from anura_base.access.tables import sessions, users
from anura_edge.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)


def any_user(connection: Connection) -> bool:
    """Say whether there is a user at all."""
    return connection.execute(select(users.c.name).limit(1)).first() is not None


def all_users(connection: Connection) -> Sequence[Row[Any]]:
    """Return name, role, creation and since when disabled of every user, by name, with sessions and their last use."""
    columns = users.c.name, users.c.role, users.c.created_utc, users.c.disabled_utc
    used = func.count(sessions.c.hash).label("sessions"), func.max(sessions.c.used_utc).label("used_utc")
    both = users.outerjoin(sessions, sessions.c.user_name == users.c.name)
    return connection.execute(select(*columns, *used).select_from(both).group_by(*columns).order_by(users.c.name)).all()


def role_of(connection: Connection, name: str) -> Role:
    """Return what a user may.

    Raises ConfigError when there is no such user.
    """
    role = connection.scalar(select(users.c.role).where(users.c.name == name))
    _must_have_been_there(connection, name, role is not None)
    return Role(str(role))


def check_new(connection: Connection, name: str, role: Role) -> None:
    """Raise ConfigError unless a user of this name and role may be added."""
    _check_name(name)
    if connection.execute(select(users.c.name).where(users.c.name == name)).first():
        raise _taken(name)
    if role is not Role.ADMIN and not any_user(connection):
        raise ConfigError("the first user is an admin: nobody else could add the others")


def add_user(connection: Connection, name: str, role: Role, password: str, now: datetime) -> None:
    """Let a user in from now on.

    Raises ConfigError when the name is taken or no name, or the password will not do.
    """
    _check_name(name)
    hashed = passwords.hash_password(password)
    try:
        connection.execute(insert(users).values(name=name, role=role.value, password_hash=hashed, created_utc=now))
    except IntegrityError as error:
        raise _taken(name) from error


def change_password(connection: Connection, name: str, password: str) -> None:
    """Give a user another password, and end what was begun with the old one.

    Raises ConfigError when there is no such user, or the password will not do.
    """
    hashed = passwords.hash_password(password)
    changed = connection.execute(update(users).where(users.c.name == name).values(password_hash=hashed))
    _must_have_been_there(connection, name, changed.rowcount)
    end_sessions(connection, name)


def change_role(connection: Connection, name: str, role: Role) -> None:
    """Let a user do more or less; it holds at once.

    Raises ConfigError when there is no such user, or nobody could administer the station afterwards.
    """
    changed = connection.execute(update(users).where(users.c.name == name).values(role=role.value))
    _must_have_been_there(connection, name, changed.rowcount)
    _must_leave_an_admin(connection, name)


def disable_user(connection: Connection, name: str, now: datetime) -> None:
    """Let a user in no longer, until enabled again; it holds at once.

    Raises ConfigError when there is no such user, or nobody could administer the station afterwards.
    """
    end_sessions(connection, name)
    changed = connection.execute(update(users).where(users.c.name == name).values(disabled_utc=now))
    _must_have_been_there(connection, name, changed.rowcount)
    _must_leave_an_admin(connection, name)


def enable_user(connection: Connection, name: str) -> None:
    """Let a user in again, with the password and role of before.

    Raises ConfigError when there is no such user.
    """
    changed = connection.execute(update(users).where(users.c.name == name).values(disabled_utc=None))
    _must_have_been_there(connection, name, changed.rowcount)


def end_sessions(connection: Connection, name: str) -> int:
    """Let a user log in again wherever they are; return how many sessions that ended.

    Raises ConfigError when there is no such user.
    """
    ended = connection.execute(delete(sessions).where(sessions.c.user_name == name)).rowcount
    role_of(connection, name)
    return ended


def remove_user(connection: Connection, name: str) -> None:
    """Let a user in no longer; it holds at once.

    Raises ConfigError when there is no such user, or the others would be left without an admin.
    """
    end_sessions(connection, name)
    removed = connection.execute(delete(users).where(users.c.name == name))
    _must_have_been_there(connection, name, removed.rowcount)
    if any_user(connection):
        _must_leave_an_admin(connection, name)


def authenticate(engine: Engine, name: str, password: str) -> Principal | None:
    """Return who this is, or None: whether the name or the password is wrong, nobody learns, not by the time either."""
    with engine.connect() as connection:
        query = select(users.c.role, users.c.password_hash).where(users.c.name == name, users.c.disabled_utc.is_(None))
        row = connection.execute(query).first()
    if not passwords.matches(row.password_hash if row else None, password) or row is None:
        return None
    return Principal(name, Role(row.role))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no user's name; use up to 64 of a-z, 0-9 and . _ @ -, as in maria.silva")


def _taken(name: str) -> ConfigError:
    return ConfigError(f"there is a user {name} already; `anura-base user password {name}` gives a new password")


def _must_have_been_there(connection: Connection, name: str, changed: int) -> None:
    if not changed:
        names = ", ".join(row.name for row in all_users(connection)) or "nobody yet"
        raise ConfigError(f"there is no user {name}; there are: {names}")


def _must_leave_an_admin(connection: Connection, name: str) -> None:
    admins = select(users.c.name).where(users.c.role == Role.ADMIN.value, users.c.disabled_utc.is_(None))
    if connection.execute(admins).first() is None:
        raise ConfigError(
            f"no admin would be left without {name}; make another first: `anura-base user role NAME admin`"
        )
