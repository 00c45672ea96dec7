"""Tables of calls and effort, summed up by quarter of an hour, night and hour, and of the days whose sums are old."""

from enum import StrEnum

from sqlalchemy import Boolean, Column, ColumnElement, Double, Index, Integer, Table, Text, case, false

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

HOURS = 24
"""Hours of a night that are summed up."""

HOUR_COLUMNS = [f"h{number:02}" for number in range(HOURS)]


class HourZero(StrEnum):
    """The moment of a night from which its hours are counted."""

    NOON = "noon"
    """Noon on the local clock, also when daylight saving time begins or ends."""
    SUNSET = "sunset"

    @property
    def hours(self) -> range:
        """The hours that are summed up. After a sunset they reach from the afternoon to the next noon in any season."""
        first = -6 if self is HourZero.SUNSET else 0
        return range(first, first + HOURS)


class CallCount(StrEnum):
    """What a row of `call_hours` counts."""

    CALLS = "calls"
    CONFIRMED = "confirmed"


call_hours = Table(
    "calls_by_hour",
    metadata,
    Column("zero", Text, primary_key=True),
    Column("counted", Text, primary_key=True),
    Column("species", Text, primary_key=True),
    Column("evening", Integer, primary_key=True, autoincrement=False),
    Column("site", Text, primary_key=True),
    *(Column(name, Integer, nullable=False) for name in HOUR_COLUMNS),
    Index("calls_by_hour_of_site", "site", "evening"),
    sqlite_with_rowid=False,
)
"""The sums of `call_slots` for each hour of a night, of all models. `h00` is the first of the hours of its `zero`.

One row has all hours, because a page adds up many nights: reading a row for each hour takes six times as long. Calls
outside those hours are in no sum, and a night without a sunset has no row with that zero.
"""

effort_hours = Table(
    "effort_by_hour",
    metadata,
    Column("zero", Text, primary_key=True),
    Column("evening", Integer, primary_key=True, autoincrement=False),
    Column("site", Text, primary_key=True),
    *(Column(name, Double, nullable=False) for name in HOUR_COLUMNS),
    Index("effort_by_hour_of_site", "site", "evening"),
    sqlite_with_rowid=False,
)
"""Seconds of analysed audio in each hour of a night, of all models."""

night_zones = Table(
    "night_zones",
    metadata,
    Column("site", Text, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("latitude_deg", Double),
    Column("longitude_deg", Double),
    # False until the sums of hours are made: an older version made those of nights only.
    Column("has_hours", Boolean, nullable=False, server_default=false()),
)
"""The time zone and position with which the sums of nights and hours are made. A site without a row has none yet."""

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
