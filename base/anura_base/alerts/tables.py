"""Tables of the alerts, of their deliveries, of those of digests, and of the position up to which events were read."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from anura_base.db.schema import ArrivalNumber, UtcDateTime, metadata

firings = Table(
    "alert_firings",
    metadata,
    Column("arrival", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("moment_utc", UtcDateTime, nullable=False),
    Column("fired_utc", UtcDateTime, nullable=False),
    Column("over_utc", UtcDateTime),  # NULL while it holds
    Column("text", Text, nullable=False),
    Column("acknowledged_utc", UtcDateTime),  # NULL until a person has seen it
    Column("acknowledged_by", Text),
    # An alert is stored once, even if two base stations evaluate the same rows. `occasion` holds Alert.dedup_id.
    UniqueConstraint("rule", "subject", "occasion", name="alert_firings_once"),
    Index("alert_firings_by_key", "rule", "subject", "fired_utc"),
    Index("alert_firings_ongoing", "over_utc"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("firing", BigInteger, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try_utc", UtcDateTime),  # NULL: delivered, or given up
    Column("delivered_utc", UtcDateTime),
    Column("error", Text),
    Index("alert_deliveries_due", "next_try_utc"),
)

reading = Table(
    "alert_reading",
    metadata,
    Column("what", Text, primary_key=True),
    Column("arrival", BigInteger, nullable=False),
)

# Of each digest: through which channel the digest of which night was sent.
digest_deliveries = Table(
    "digest_deliveries",
    metadata,
    Column("name", Text, primary_key=True),
    Column("evening", Integer, primary_key=True, autoincrement=False),  # ordinal of the date
    Column("channel", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("first_utc", UtcDateTime, nullable=False),
    Column("next_try_utc", UtcDateTime),  # NULL: sent, or given up
    Column("sent_utc", UtcDateTime),
    Column("error", Text),
)
