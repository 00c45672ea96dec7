"""Tables of the devices over weeks: their health by hour, and what people wrote about them."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text

from anura_base.db.schema import ArrivalNumber, UtcDateTime, device_columns, metadata

# The last health message of each device in each hour, for its page.
health_hours = Table(
    "health_hours",
    metadata,
    *device_columns(primary_key=True),
    Column("hour", Integer, primary_key=True, autoincrement=False),  # hours since 1970, by the base station's clock
    Column("pending", BigInteger, nullable=False),
    Column("dropped_s", Double, nullable=False),
    Column("disk_free_bytes", BigInteger),
    Column("battery_percent", Double),
    Column("temperature_c", Double),
    Column("drift_ppm", Double),
    Column("model_sha256", Text, nullable=False),
)

# What people wrote about a device, and what they did at it.
device_notes = Table(
    "device_notes",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    *device_columns(),
    Column("utc", UtcDateTime, nullable=False),
    Column("author", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Index("device_notes_by_device", "site", "device"),
    sqlite_autoincrement=True,
)
