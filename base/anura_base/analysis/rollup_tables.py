"""Tables of calls and effort, summed up by quarter of an hour and by night, and of the days whose sums are old."""

from sqlalchemy import Column, ColumnElement, Double, Index, Integer, Table, Text, case

from anura_base.db.schema import ArrivalNumber, effort, events, metadata

call_slots = Table(
    "calls_by_slot",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("species", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""Calls that began in a slot, of all devices of a site. `verdicts` defines which of them count, and as which species.

`confirmed` is the number of calls whose species a person confirmed or named. A species that the model reported and
people rejected has a row with 0 calls.
"""

effort_slots = Table(
    "effort_by_slot",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
    Column("measured_s", Double, nullable=False, server_default="0"),
    Column("level_dbfs_s", Double, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
"""Seconds of audio in each state of effort. An hour that two models analysed counts for both, as their calls do.

`measured_s` is the seconds of audio whose level is known, and `level_dbfs_s` the sum of their levels times seconds.
"""

call_nights = Table(
    "calls_by_night",
    metadata,
    Column("site", Text, primary_key=True),
    Column("evening", Integer, primary_key=True, autoincrement=False),
    Column("species", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Index("calls_by_night_of_species", "species", "evening"),
    Index("calls_by_night_of_evening", "evening"),
    sqlite_with_rowid=False,
)
"""The sums of `call_slots` for each night of a site. `evening` is the ordinal of the night's date."""

effort_nights = Table(
    "effort_by_night",
    metadata,
    Column("site", Text, primary_key=True),
    Column("evening", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
    Column("measured_s", Double, nullable=False),
    Column("level_dbfs_s", Double, nullable=False),
    Index("effort_by_night_of_evening", "evening"),
    sqlite_with_rowid=False,
)
"""The sums of `effort_slots` for each night of a site."""

night_zones = Table(
    "night_zones", metadata, Column("site", Text, primary_key=True), Column("zone", Text, nullable=False)
)
"""The time zone whose nights `call_nights` and `effort_nights` have. A site without a row has no sums of nights yet."""

stale_days = Table(
    "stale_days",
    metadata,
    # In PostgreSQL marks are only inserted and deleted, never shared, so a mark of a transaction that is still open
    # cannot be lost. SQLite has one writer at a time, so there a day that is marked is not marked again.
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("day", Text, nullable=False),  # in UTC, as in 2026-11-20
    Column("seconds", Double, nullable=False),  # length of the row that changed
    Index("stale_days_by_day", "site", "day"),
    sqlite_autoincrement=True,
)
"""Days of a site whose sums must be computed again. Triggers insert these marks, `rollup.refresh` deletes them."""

Index("events_by_time", events.c.site, events.c.start_utc)
Index("effort_by_time", effort.c.site, effort.c.start_utc)


def species_of(table: Table) -> ColumnElement[str]:
    """Return the species of an event: its scientific name, or its label where the model has no name."""
    return case((table.c.scientific_name == "", table.c.label), else_=table.c.scientific_name)
