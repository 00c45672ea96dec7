"""Tokens for programs. A token is shown once, stored as a hash, and removed by name."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from anura_base.access import secret
from anura_base.access.roles import Principal, Role
from anura_base.access.tables import tokens
from anura_base.db.engine import write_transaction
from anura_edge.errors import ConfigError

PREFIX = "anura_"
"""People and secret scanners recognise a token by it."""

UPDATE_USED_EVERY = timedelta(minutes=1)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def list_tokens(connection: Connection) -> Sequence[Row[Any, Any, Any, Any]]:
    """Return name, role, created_utc and used_utc of every token, sorted by name."""
    columns = tokens.c.name, tokens.c.role, tokens.c.created_utc, tokens.c.used_utc
    return connection.execute(select(*columns).order_by(tokens.c.name)).all()


def add_token(connection: Connection, name: str, role: Role, now: datetime) -> str:
    """Add a token and return it. It cannot be read later.

    Raises ConfigError if the name is taken or not valid.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is not a token name; use up to 64 letters, digits and . _ -, as in weekly-report")
    token = PREFIX + secret.new()
    row = {"name": name, "role": role.value, "hash": secret.digest(token), "created_utc": now}
    try:
        connection.execute(insert(tokens).values(row))
    except IntegrityError as error:
        remedy = f"choose another name, or run `anura-base token remove {name}` first"
        raise ConfigError(f"the token {name} exists already; {remedy}") from error
    return token


def remove_token(connection: Connection, name: str) -> None:
    """Delete a token. It is invalid immediately.

    Raises ConfigError if the token does not exist.
    """
    if not connection.execute(delete(tokens).where(tokens.c.name == name)).rowcount:
        names = ", ".join(row.name for row in list_tokens(connection)) or "none yet"
        raise ConfigError(f"there is no token {name}; the tokens are: {names}")


def find(engine: Engine, token: str, now: datetime) -> Principal | None:
    """Return the name and the role of a token, or None if the token is not valid."""
    this_token = tokens.c.hash == secret.digest(token)
    with engine.connect() as connection:
        row = connection.execute(select(tokens).where(this_token)).first()
    if row is None:
        return None
    if row.used_utc is None or now - row.used_utc > UPDATE_USED_EVERY:
        with write_transaction(engine) as connection:
            connection.execute(update(tokens).where(this_token).values(used_utc=now))
    return Principal(f"token {row.name}", Role(row.role))
