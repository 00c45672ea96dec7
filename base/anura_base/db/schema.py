"""The tables, for SQLite and PostgreSQL.

Columns of `events`, `effort` and `notices` with the name of a wire field contain exactly that field.
"""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    literal,
    true,
)

from anura_edge.audio import ClockSource

SCHEMA_VERSION = 1
"""Grows when an older program would misunderstand the rows of this one. A new table, column or index is no reason."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no time zone and would return a naive datetime."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert from any time zone to UTC."""
        return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the time with the zone UTC."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class UuidList(TypeDecorator[tuple[UUID, ...]]):
    """UUIDs, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[UUID, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Convert to JSON."""
        return None if value is None else json.dumps(list(map(str, value)))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[UUID, ...] | None:  # noqa: ARG002
        """Return the UUIDs."""
        return None if value is None else tuple(map(UUID, json.loads(value)))


# SQLite assigns ascending numbers only in a column of the exact type INTEGER.
ArrivalNumber = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()


def device_columns(*, primary_key: bool = False) -> list[Column[Any]]:
    """Return the columns that name a device."""
    return [Column(name, Text, primary_key=primary_key, nullable=False) for name in ("site", "device")]


def _numbered_columns() -> list[Column[Any]]:
    return [
        # The order of arrival: a reader that asks for rows after a number misses none. AUTOINCREMENT on SQLite.
        Column("arrival", ArrivalNumber, primary_key=True, autoincrement=True),
        Column("id", Uuid, nullable=False, unique=True),
        *device_columns(),
        Column("journal", Uuid, nullable=False),
        Column("received_utc", UtcDateTime, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("recording", Text, nullable=False),
        Column("model_id", Text, nullable=False),
        Column("model_version", Text, nullable=False),
        Column("model_sha256", Text, nullable=False),
        Column("config_hash", Text, nullable=False),
        Column("app_version", Text, nullable=False),
    ]


def _row_columns() -> list[Column[Any]]:
    return [
        *_numbered_columns(),
        Column("recording_name", Text, nullable=False),
        Column("analysis", Uuid),  # NULL in rows of early versions
        Column("analysis_rows", BigInteger),
        Column("start_utc", UtcDateTime, nullable=False),
        Column("rate_hz", Integer, nullable=False),
        Column("clock_source", Text, nullable=False),
        Column("clock_correction", BigInteger),  # number of the correction by a person; NULL if there is none
    ]


def unknown_clock(table: Table) -> ColumnElement[bool]:
    """Return the condition for rows with the clock source `unknown`. The indexes `*_of_unknown_clock` support it."""
    # A literal, not a parameter: a database uses a partial index only if it sees the same condition.
    return table.c.clock_source == literal(ClockSource.UNKNOWN.value, Text, literal_execute=True)


events = Table(
    "events",
    metadata,
    *_row_columns(),
    Column("label", Text, nullable=False),
    Column("scientific_name", Text, nullable=False),
    Column("end_utc", UtcDateTime, nullable=False),
    Column("onset_sample", BigInteger, nullable=False),
    Column("offset_sample", BigInteger, nullable=False),
    Column("p_peak", Double, nullable=False),
    Column("p_mean", Double, nullable=False),
    Column("level_dbfs", Double, nullable=False),
    Column("channel", Integer),  # NULL if it is unknown
    Column("common_name", Text, nullable=False, server_default=""),
    Column("is_reliable", Boolean, nullable=False, server_default=true()),
    Index("events_by_device", "site", "device"),
    Index("events_by_recording", "recording"),
    sqlite_autoincrement=True,
)

effort = Table(
    "effort",
    metadata,
    *_row_columns(),
    Column("state", Text, nullable=False),
    Column("first_sample", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("level_dbfs", Double),  # NULL if it was not measured
    Index("effort_by_device", "site", "device"),
    Index("effort_by_recording", "recording"),
    sqlite_autoincrement=True,
)

for _table in (events, effort):
    # A partial index of the rows that wait for their time. Most databases have no such row.
    _columns = (_table.c[name] for name in ("site", "device", "recording"))
    _unknown = _table.c.clock_source == ClockSource.UNKNOWN.value
    Index(f"{_table.name}_of_unknown_clock", *_columns, sqlite_where=_unknown, postgresql_where=_unknown)

notices = Table(
    "notices",
    metadata,
    *_numbered_columns(),
    Column("what", Text, nullable=False),
    Column("utc", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Column("amount", Double),
    Column("replaced_by", Text, nullable=False, server_default=""),
    Column("replaces", UuidList, nullable=False, server_default="[]"),
    Column("analysis", Uuid),
    Index("notices_by_device", "site", "device"),
    Index("notices_by_recording", "recording"),
    sqlite_autoincrement=True,
)

# Every analysis of a recording, in the order in which they were first seen. See `ingest.analyses`.
analyses = Table(
    "analyses",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("recording", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    Column("analysis", Uuid, nullable=False),
    *device_columns(),
    Column("journal", Uuid),
    Column("rows", BigInteger),  # NULL if their number is not known
    Column("is_complete", Boolean, nullable=False),
    UniqueConstraint("recording", "model_sha256", "analysis"),
    Index("analyses_by_id", "analysis"),
    sqlite_autoincrement=True,
)

# Which analyses another one replaces, as the notices `withdrawn` say.
replaced_analyses = Table(
    "replaced_analyses",
    metadata,
    Column("analysis", Uuid, primary_key=True),
    Column("replaced_by", Uuid, primary_key=True),
    Index("replaced_analyses_by_new", "replaced_by"),
)

# Recordings of which a longer one, or a better copy, was analysed in their place.
replaced_recordings = Table(
    "replaced_recordings",
    metadata,
    Column("recording", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("replaced_by", Text, primary_key=True),
    Index("replaced_recordings_by_new", "replaced_by"),
)

# Rows of analyses that do not count, as JSON.
superseded_rows = Table(
    "superseded_rows",
    metadata,
    Column("arrival", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("analysis", Uuid, nullable=False),
    Column("recording", Text, nullable=False),
    Column("model_sha256", Text, nullable=False),
    *device_columns(),
    Column("row", Text, nullable=False),
    Column("journal", Uuid),  # this and `seq` are NULL in rows of an early version
    Column("seq", BigInteger),
    UniqueConstraint("kind", "id", "analysis"),
    Index("superseded_by_recording", "recording"),
    Index("superseded_by_number", "journal", "seq"),
    sqlite_autoincrement=True,
)

devices = Table(
    "devices",
    metadata,
    *device_columns(primary_key=True),
    Column("state", Text),  # NULL until the device has sent a status
    Column("last_seen_utc", UtcDateTime),
    Column("app_version", Text),
    Column("model_id", Text),
    Column("model_version", Text),
    Column("model_sha256", Text),
    Column("latitude_deg", Double),
    Column("longitude_deg", Double),
    Column("zone", Text),
    Column("retired_utc", UtcDateTime),  # NULL while it is in use; see `db.queries.is_retired`
)

# The last health message of each device. It is stored as text, because it may get more fields and none is queried.
health = Table(
    "health",
    metadata,
    *device_columns(primary_key=True),
    Column("received_utc", UtcDateTime),  # NULL for a message that the broker had retained: its age is unknown
    Column("message", Text, nullable=False),
)

# The key includes the device: else one device could raise another's floor, and rows would be acknowledged unseen.
journals = Table(
    "journals",
    metadata,
    *device_columns(primary_key=True),
    Column("journal", Uuid, primary_key=True),
    Column("floor", BigInteger, nullable=False, default=1),
    Column("missing", BigInteger, nullable=False, default=0),  # derived from floor and received, for the pages
    Index("journals_by_id", "journal"),
)

# The received sequence numbers of each journal, as spans.
received = Table(
    "received",
    metadata,
    *device_columns(primary_key=True),
    Column("journal", Uuid, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

# One row: the identity of this database. Devices remember it, so that no other base station acknowledges their rows.
identity = Table(
    "identity",
    metadata,
    Column("base", Uuid, primary_key=True),
    # Signs acknowledgements, in hex. NULL only in a database of an early version that is not open.
    Column("ack_secret", Text),
    # The SCHEMA_VERSION of the newest program that has opened the database. NULL before there were versions.
    Column("schema_version", Integer),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("arrival", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("topic", Text, nullable=False),
    Column("payload_head", LargeBinary, nullable=False),
    Column("payload", LargeBinary),  # NULL if it is too long to be stored, or has no rows
    Column("reason", Text, nullable=False),
    Column("received_utc", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# What the base station noticed about its devices and their messages. The same incident has one row.
incidents = Table(
    "incidents",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("what", Text, nullable=False),
    *device_columns(),
    Column("subject", Text, nullable=False),  # the journal, recording or base station that it is about
    Column("detail", Text, nullable=False),
    Column("first_utc", UtcDateTime, nullable=False),
    Column("last_utc", UtcDateTime, nullable=False),
    UniqueConstraint("what", "site", "device", "subject"),
    sqlite_autoincrement=True,
)

# How long this base station has run, in one row. Unlike a date, it cannot jump.
running_time = Table(
    "running_time",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seconds", Double, nullable=False),
)

# The highest arrival number of a table after some running time. So the age of its rows is known without a date.
age_marks = Table(
    "age_marks",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("running_s", Double, primary_key=True),
    Column("arrival", BigInteger, nullable=False),
)

# Changes of stored rows that were done once, when a newer version first opened the database.
upgrades = Table("upgrades", metadata, Column("name", Text, primary_key=True))
