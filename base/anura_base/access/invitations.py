"""Links with which a person chooses a password: for a new user, or for a user who has lost the password.

The admin who makes a link never learns the password.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from anura_base.access import accounts, secret
from anura_base.access.roles import Role
from anura_base.access.tables import invitations, users

VALID_FOR = timedelta(days=3)


def invite_user(connection: Connection, name: str, role: Role, by: str, now: datetime) -> str:
    """Return the secret of a link whose first use adds this user. Earlier links for this name become invalid.

    Raises ConfigError if the name is taken or not valid, or if the first user would not be an admin.
    """
    withdraw(connection, name)
    accounts.check_new_user(connection, name, role)
    return _add(connection, name, role, by, now)


def invite_to_reset(connection: Connection, name: str, by: str, now: datetime) -> str:
    """Return the secret of a link for a new password. The old password is valid until the link is used.

    Raises ConfigError if the user does not exist.
    """
    withdraw(connection, name)
    return _add(connection, name, accounts.user_role(connection, name), by, now)


def invited_user(connection: Connection, key: str, now: datetime) -> str | None:
    """Return the user name of a link, or None if the link is not valid."""
    found = _find(connection, key, now)
    return found.user_name if found else None


def accept(connection: Connection, key: str, password: str, now: datetime) -> str | None:
    """Add the user of a link, or change the user's password. Return the name, or None if the link is not valid.

    Raises ConfigError if the password is too short or too long.
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
    """Delete the links for a user name."""
    connection.execute(delete(invitations).where(invitations.c.user_name == name))


def list_valid(connection: Connection, now: datetime) -> Sequence[Row[Any]]:
    """Return every valid link, sorted by user name."""
    query = select(invitations).where(invitations.c.until_utc > now)
    return connection.execute(query.order_by(invitations.c.user_name)).all()


def _add(connection: Connection, name: str, role: Role, by: str, now: datetime) -> str:
    key = secret.new()
    row = {
        "hash": secret.digest(key),
        "user_name": name,
        "role": role.value,
        "made_by": by,
        "until_utc": now + VALID_FOR,
    }
    connection.execute(insert(invitations).values(row))
    return key


def _find(connection: Connection, key: str, now: datetime) -> Row[Any] | None:
    query = select(invitations).where(invitations.c.hash == secret.digest(key), invitations.c.until_utc > now)
    return connection.execute(query).first()
