"""Sessions of logged-in users. The database stores them, so a session that is ended is invalid immediately."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, not_, select, update

from anura_base.access import secret
from anura_base.access.roles import Principal, Role
from anura_base.access.tables import sessions, users
from anura_base.db.engine import write_transaction

MAX_IDLE = timedelta(days=3)
"""A session that was not used for this long is invalid."""

MAX_AGE = timedelta(days=30)
"""The user must log in again after this time, even if the session is in use."""

UPDATE_USED_EVERY = timedelta(minutes=10)
"""An open page sends requests all the time. Not every request should write to the disk."""


def start(connection: Connection, user: str, now: datetime) -> str:
    """Start a session, delete the expired ones, and return the secret for the cookie."""
    connection.execute(delete(sessions).where(not_(_is_valid(now))))
    key = secret.new()
    row = {"hash": secret.digest(key), "user_name": user, "begun_utc": now, "used_utc": now}
    connection.execute(insert(sessions).values(row))
    return key


def find(engine: Engine, key: str, now: datetime) -> Principal | None:
    """Return the user of a session with the current role, or None if the session is not valid."""
    this_session = sessions.c.hash == secret.digest(key)
    with engine.connect() as connection:
        query = select(users.c.name, users.c.role, sessions.c.used_utc)
        query = query.join_from(sessions, users, sessions.c.user_name == users.c.name)
        row = connection.execute(query.where(this_session, _is_valid(now), users.c.disabled_utc.is_(None))).first()
    if row is None:
        return None
    if now - row.used_utc > UPDATE_USED_EVERY:
        with write_transaction(engine) as connection:
            connection.execute(update(sessions).where(this_session).values(used_utc=now))
    return Principal(row.name, Role(row.role))


def end(connection: Connection, key: str) -> None:
    """Delete a session."""
    connection.execute(delete(sessions).where(sessions.c.hash == secret.digest(key)))


def _is_valid(now: datetime) -> ColumnElement[bool]:
    return and_(sessions.c.used_utc >= now - MAX_IDLE, sessions.c.begun_utc >= now - MAX_AGE)
