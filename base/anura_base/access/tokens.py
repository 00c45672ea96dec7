"""Tokens for programs: shown once, kept as hashes, and removed by name."""

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
"""So that people, and programs that look for secrets in the wrong place, know what it is."""

NOTE_USE_EVERY = timedelta(minutes=1)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def all_tokens(connection: Connection) -> Sequence[Row[Any, Any, Any, Any]]:
    """Return name, role, creation and last use of every token, by name."""
    columns = tokens.c.name, tokens.c.role, tokens.c.created_utc, tokens.c.used_utc
    return connection.execute(select(*columns).order_by(tokens.c.name)).all()


def add_token(connection: Connection, name: str, role: Role, now: datetime) -> str:
    """Make a token, and return it: nobody can read it later.

    Raises ConfigError when the name is taken or no name.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no token's name; use up to 64 letters, digits and . _ -, as in weekly-report")
    token = PREFIX + secret.new()
    row = {"name": name, "role": role.value, "hash": secret.digest(token), "created_utc": now}
    try:
        connection.execute(insert(tokens).values(row))
    except IntegrityError as error:
        remedy = f"take another name, or `anura-base token remove {name}` first"
        raise ConfigError(f"there is a token {name} already; {remedy}") from error
    return token


def remove_token(connection: Connection, name: str) -> None:
    """Let a token in no longer; it holds at once.

    Raises ConfigError when there is no such token.
    """
    if not connection.execute(delete(tokens).where(tokens.c.name == name)).rowcount:
        names = ", ".join(row.name for row in all_tokens(connection)) or "none yet"
        raise ConfigError(f"there is no token {name}; there are: {names}")


def find(engine: Engine, token: str, now: datetime) -> Principal | None:
    """Return what a token stands for, or None."""
    this = tokens.c.hash == secret.digest(token)
    with engine.connect() as connection:
        row = connection.execute(select(tokens).where(this)).first()
    if row is None:
        return None
    if row.used_utc is None or now - row.used_utc > NOTE_USE_EVERY:
        with write_transaction(engine) as connection:
            connection.execute(update(tokens).where(this).values(used_utc=now))
    return Principal(f"token {row.name}", Role(row.role))
