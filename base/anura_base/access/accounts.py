"""Users: their names, roles and passwords.

Each change writes before it checks, in one transaction. SQLite refuses a transaction that has read and then wants to
write after the ingest has written.
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


def has_users(connection: Connection) -> bool:
    """Return whether at least one user exists."""
    return connection.execute(select(users.c.name).limit(1)).first() is not None


def list_users(connection: Connection) -> Sequence[Row[Any]]:
    """Return every user, sorted by name.

    Columns: name, role, created_utc, disabled_utc, sessions (their number) and used_utc (their last use).
    """
    columns = users.c.name, users.c.role, users.c.created_utc, users.c.disabled_utc
    used = func.count(sessions.c.hash).label("sessions"), func.max(sessions.c.used_utc).label("used_utc")
    joined = users.outerjoin(sessions, sessions.c.user_name == users.c.name)
    query = select(*columns, *used).select_from(joined).group_by(*columns).order_by(users.c.name)
    return connection.execute(query).all()


def user_role(connection: Connection, name: str) -> Role:
    """Return the role of a user.

    Raises ConfigError if the user does not exist.
    """
    role = connection.scalar(select(users.c.role).where(users.c.name == name))
    _require_found(connection, name, role is not None)
    return Role(str(role))


def check_new_user(connection: Connection, name: str, role: Role) -> None:
    """Raise ConfigError unless a user with this name and role can be added."""
    _check_name(name)
    if connection.execute(select(users.c.name).where(users.c.name == name)).first():
        raise _taken(name)
    if role is not Role.ADMIN and not has_users(connection):
        raise ConfigError("the first user must be an admin, who can then add the others; use the role admin")


def add_user(connection: Connection, name: str, role: Role, password: str, now: datetime) -> None:
    """Add a user, who can log in immediately.

    Raises ConfigError if the name is taken or not valid, or if the password is too short or too long.
    """
    _check_name(name)
    hashed = passwords.hash_password(password)
    try:
        connection.execute(insert(users).values(name=name, role=role.value, password_hash=hashed, created_utc=now))
    except IntegrityError as error:
        raise _taken(name) from error


def change_password(connection: Connection, name: str, password: str) -> None:
    """Replace the password of a user and end all sessions of that user.

    Raises ConfigError if the user does not exist, or if the password is too short or too long.
    """
    hashed = passwords.hash_password(password)
    changed = connection.execute(update(users).where(users.c.name == name).values(password_hash=hashed))
    _require_found(connection, name, changed.rowcount)
    end_sessions(connection, name)


def change_role(connection: Connection, name: str, role: Role) -> None:
    """Change the role of a user. Open sessions have the new role immediately.

    Raises ConfigError if the user does not exist, or if no admin would remain.
    """
    changed = connection.execute(update(users).where(users.c.name == name).values(role=role.value))
    _require_found(connection, name, changed.rowcount)
    _require_admin(connection, name)


def disable_user(connection: Connection, name: str, now: datetime) -> None:
    """Disable the login of a user and end all sessions of that user.

    Raises ConfigError if the user does not exist, or if no admin would remain.
    """
    end_sessions(connection, name)
    changed = connection.execute(update(users).where(users.c.name == name).values(disabled_utc=now))
    _require_found(connection, name, changed.rowcount)
    _require_admin(connection, name)


def enable_user(connection: Connection, name: str) -> None:
    """Enable the login of a user again, with the same password and role.

    Raises ConfigError if the user does not exist.
    """
    changed = connection.execute(update(users).where(users.c.name == name).values(disabled_utc=None))
    _require_found(connection, name, changed.rowcount)


def end_sessions(connection: Connection, name: str) -> int:
    """End all sessions of a user, who must log in again. Return their number.

    Raises ConfigError if the user does not exist.
    """
    ended = connection.execute(delete(sessions).where(sessions.c.user_name == name)).rowcount
    user_role(connection, name)
    return ended


def remove_user(connection: Connection, name: str) -> None:
    """Delete a user and all sessions of that user.

    Raises ConfigError if the user does not exist, or if other users would remain without an admin.
    """
    end_sessions(connection, name)
    removed = connection.execute(delete(users).where(users.c.name == name))
    _require_found(connection, name, removed.rowcount)
    if has_users(connection):
        _require_admin(connection, name)


def authenticate(engine: Engine, name: str, password: str) -> Principal | None:
    """Return the user with this name and password, or None.

    The time that it takes does not reveal whether the name or the password is wrong.
    """
    with engine.connect() as connection:
        query = select(users.c.role, users.c.password_hash).where(users.c.name == name, users.c.disabled_utc.is_(None))
        row = connection.execute(query).first()
    if not passwords.verify(row.password_hash if row else None, password) or row is None:
        return None
    return Principal(name, Role(row.role))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a user name; use up to 64 of a-z, 0-9 and . _ @ -, as in maria.silva")


def _taken(name: str) -> ConfigError:
    return ConfigError(f"the user {name} exists already; `anura-base user password {name}` sets a new password")


def _require_found(connection: Connection, name: str, found: int) -> None:
    if not found:
        names = ", ".join(row.name for row in list_users(connection)) or "none yet"
        raise ConfigError(f"there is no user {name}; the users are: {names}")


def _require_admin(connection: Connection, name: str) -> None:
    admins = select(users.c.name).where(users.c.role == Role.ADMIN.value, users.c.disabled_utc.is_(None))
    if connection.execute(admins).first() is None:
        raise ConfigError(
            f"no admin would be left without {name};"
            " make another user an admin first: `anura-base user role NAME admin`"
        )
