"""Links with which somebody chooses a password: a new user, or one who has lost theirs. No admin ever knows it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from anura_base.access import accounts, secret
from anura_base.access.roles import Role
from anura_base.access.tables import invitations, users

LASTS = timedelta(days=3)


def invite(connection: Connection, name: str, role: Role, by: str, now: datetime) -> str:
    """Make a link's secret, for the user that its first use makes; an earlier link for this name holds no longer.

    Raises ConfigError when the name is taken or no name, or when nobody could administer the station afterwards.
    """
    withdraw(connection, name)
    accounts.check_new(connection, name, role)
    return _add(connection, name, role, by, now)


def invite_again(connection: Connection, name: str, by: str, now: datetime) -> str:
    """Make a link's secret for a user that there is; the password so far holds until the link is used.

    Raises ConfigError when there is no such user.
    """
    withdraw(connection, name)
    return _add(connection, name, accounts.role_of(connection, name), by, now)


def name_of(connection: Connection, key: str, now: datetime) -> str | None:
    """Return whom a link is for; None when it does not hold."""
    found = _find(connection, key, now)
    return found.user_name if found else None


def accept(connection: Connection, key: str, password: str, now: datetime) -> str | None:
    """Give whom a link is for this password, and return the name; None when it does not hold.

    Raises ConfigError when the password will not do.
    """
    found = _find(connection, key, now)
    if found is None:
        return None
    name = str(found.user_name)
    if connection.execute(select(users.c.name).where(users.c.name == name)).first():
        accounts.change_password(connection, name, password)
    else:
        accounts.add_user(connection, name, Role(found.role), password, now)
    withdraw(connection, name)
    return name


def withdraw(connection: Connection, name: str) -> None:
    """Let nobody in with a link for this name."""
    connection.execute(delete(invitations).where(invitations.c.user_name == name))


def open_ones(connection: Connection, now: datetime) -> Sequence[Row[Any]]:
    """Return every link that holds, by name."""
    query = select(invitations).where(invitations.c.until_utc > now)
    return connection.execute(query.order_by(invitations.c.user_name)).all()


def _add(connection: Connection, name: str, role: Role, by: str, now: datetime) -> str:
    key = secret.new()
    row = {
        "hash": secret.digest(key),
        "user_name": name,
        "role": role.value,
        "made_by": by,
        "until_utc": now + LASTS,
    }
    connection.execute(insert(invitations).values(row))
    return key


def _find(connection: Connection, key: str, now: datetime) -> Row[Any] | None:
    query = select(invitations).where(invitations.c.hash == secret.digest(key), invitations.c.until_utc > now)
    return connection.execute(query).first()
