"""Sessions of people who gave their password. They live at the base station, so ending one holds at once."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, not_, select, update

from anura_base.access import secret
from anura_base.access.roles import Principal, Role
from anura_base.access.tables import sessions, users
from anura_base.db.engine import write_transaction

IDLE = timedelta(days=3)
"""A session that nobody used for so long is over."""

LONGEST = timedelta(days=30)
"""Then the password is asked for again, whatever was used."""

NOTE_USE_EVERY = timedelta(minutes=10)
"""A page that is open asks all the time; not every look should write to the disk."""


def begin(connection: Connection, user: str, now: datetime) -> str:
    """Begin a session, and return the secret for the cookie. What is over is cleared away."""
    connection.execute(delete(sessions).where(not_(_lasts(now))))
    key = secret.new()
    row = {"hash": secret.digest(key), "user_name": user, "begun_utc": now, "used_utc": now}
    connection.execute(insert(sessions).values(row))
    return key


def find(engine: Engine, key: str, now: datetime) -> Principal | None:
    """Return whose session this is, with the role that the user has now; None when there is none any more."""
    this = sessions.c.hash == secret.digest(key)
    with engine.connect() as connection:
        query = select(users.c.name, users.c.role, sessions.c.used_utc)
        query = query.join_from(sessions, users, sessions.c.user_name == users.c.name)
        row = connection.execute(query.where(this, _lasts(now), users.c.disabled_utc.is_(None))).first()
    if row is None:
        return None
    if now - row.used_utc > NOTE_USE_EVERY:
        with write_transaction(engine) as connection:
            connection.execute(update(sessions).where(this).values(used_utc=now))
    return Principal(row.name, Role(row.role))


def end(connection: Connection, key: str) -> None:
    """End a session."""
    connection.execute(delete(sessions).where(sessions.c.hash == secret.digest(key)))


def _lasts(now: datetime) -> ColumnElement[bool]:
    return and_(sessions.c.used_utc >= now - IDLE, sessions.c.begun_utc >= now - LONGEST)
