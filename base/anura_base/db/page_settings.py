"""Settings that people change on the pages, as JSON by their keys, as in `sites.marsh`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, Text, delete, insert, select

from anura_base.db.schema import UtcDateTime, metadata

page_settings = Table(
    "page_settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_utc", UtcDateTime, nullable=False),
    Column("changed_by", Text, nullable=False),
)


def read_settings(connection: Connection, section: str) -> dict[str, Any]:
    """Return the values of a section, as `sites`, by the rest of their keys."""
    query = select(page_settings.c.key, page_settings.c.value).where(page_settings.c.key.startswith(f"{section}."))
    return {key.removeprefix(f"{section}."): json.loads(value) for key, value in connection.execute(query)}


def write_setting(connection: Connection, key: str, value: Mapping[str, Any] | None, who: str) -> None:
    """Store a value in place of the former one; None removes it."""
    connection.execute(delete(page_settings).where(page_settings.c.key == key))
    if value is not None:
        row = {"key": key, "value": json.dumps(value), "changed_utc": datetime.now(UTC), "changed_by": who}
        connection.execute(insert(page_settings).values(row))
