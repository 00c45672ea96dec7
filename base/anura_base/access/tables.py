"""Tables of users, links, sessions and tokens. All secrets are stored as hashes, so the tables give no access."""

from sqlalchemy import Column, Index, Table, Text

from anura_base.db.schema import ArrivalNumber, UtcDateTime, metadata

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_utc", UtcDateTime, nullable=False),
    Column("disabled_utc", UtcDateTime),  # NULL while the user may log in
)

invitations = Table(
    "invitations",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("until_utc", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("begun_utc", UtcDateTime, nullable=False),
    Column("used_utc", UtcDateTime, nullable=False),
    Index("sessions_by_user", "user_name"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("created_utc", UtcDateTime, nullable=False),
    Column("used_utc", UtcDateTime),  # NULL until its first use
)

# What people changed on the pages. Rows are only added here; the oldest are deleted when there are too many.
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("utc", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    sqlite_autoincrement=True,
)
