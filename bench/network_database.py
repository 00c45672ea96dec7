"""A database of a large network, made by SQL in seconds for each million of rows. Only for `bench/pages.py`.

Each device records at one site after the other, so a network of 200 devices has 1,000 sites after some years. Calls and
effort have the columns, indexes and triggers of a real database; only their values are drawn at random. Their sums by
quarter of an hour are made by SQL, too: each row of effort is one quarter.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, insert, text

from anura_base.analysis.rollup_nights import renew_zones
from anura_base.analysis.rollup_tables import stale_days
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.db.device_tables import health_hours
from anura_base.db.engine import open_database
from anura_base.db.schema import devices, effort, events, health
from anura_base.simulate.fauna import SPECIES
from anura_edge.nights import SLOT_S
from anura_edge.wire import Health

ZONE = "America/New_York"
STAY_NIGHTS = 20
"""Nights that a device records at one site."""
NIGHT_H = 10
EFFORT_S = 900
EFFORT_ROWS = NIGHT_H * 3_600 // EFFORT_S
HEALTH_HOURS = 24 * 28

MODEL = "5f" * 32

_SETUP = f"""
CREATE TEMP TABLE species (n INTEGER PRIMARY KEY, label TEXT, name TEXT);
CREATE TEMP TABLE stays (n INTEGER PRIMARY KEY, site TEXT, device TEXT, first INTEGER, journal TEXT, run TEXT);
CREATE TEMP TABLE numbers AS
  WITH RECURSIVE counting(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counting WHERE n < 99999) SELECT n FROM counting;
CREATE TEMP TABLE nights AS SELECT n FROM numbers WHERE n < {STAY_NIGHTS};
"""

_COMMON = """lower(hex(randomblob(16))) AS id, site, device, journal, received_utc, row_number() OVER () AS seq,
  run || night AS recording, 'large' AS model_id, '1.0.0' AS model_version, '{model}' AS model_sha256,
  'c0ffee' AS config_hash, '0.1.0' AS app_version, run || night || '.wav' AS recording_name, journal AS analysis,
  1 AS analysis_rows, 22050 AS rate_hz, 'system' AS clock_source"""

_EVENTS = f"""
INSERT INTO events (id, site, device, journal, received_utc, seq, recording, model_id, model_version, model_sha256,
  config_hash, app_version, recording_name, analysis, analysis_rows, rate_hz, clock_source,
  start_utc, end_utc, label, scientific_name, onset_sample, offset_sample, p_peak, p_mean, level_dbfs, channel,
  common_name, is_reliable)
SELECT {_COMMON.format(model=MODEL)},
  strftime('%Y-%m-%d %H:%M:%f000', :last, begin || ' seconds'),
  strftime('%Y-%m-%d %H:%M:%f000', :last, (begin + 2) || ' seconds'),
  label, name, 0, 44100, score, score * 0.8, -40 + 20 * score, 0, '', 1
FROM (SELECT site, device, journal, run, nights.n AS night, label, name,
    strftime('%Y-%m-%d %H:%M:%f000', :last, (86400 * (first + nights.n) + {NIGHT_H * 3_600 + 60}) || ' seconds')
      AS received_utc,
    86400 * (first + nights.n) + abs(random()) % {NIGHT_H * 3_600} AS begin,
    0.5 + abs(random()) % 5000 / 10000.0 AS score
  FROM nights CROSS JOIN stays CROSS JOIN numbers
  -- With the number of the call, because SQLite draws once for all calls if nothing depends on their row.
  JOIN species ON species.n = min(abs(random() % 1000 + numbers.n) % :species, abs(random() % 1000) % :species)
  WHERE numbers.n < :calls AND first = :first)
"""

_EFFORT = f"""
INSERT INTO effort (id, site, device, journal, received_utc, seq, recording, model_id, model_version, model_sha256,
  config_hash, app_version, recording_name, analysis, analysis_rows, rate_hz, clock_source,
  start_utc, state, first_sample, samples, level_dbfs)
SELECT {_COMMON.format(model=MODEL)}, strftime('%Y-%m-%d %H:%M:%f000', :last, begin || ' seconds'),
  'analysed', part * {EFFORT_S * 22_050}, {EFFORT_S * 22_050}, -60
FROM (SELECT site, device, journal, run, nights.n AS night, numbers.n AS part,
    strftime('%Y-%m-%d %H:%M:%f000', :last, (86400 * (first + nights.n) + {NIGHT_H * 3_600 + 60}) || ' seconds')
      AS received_utc,
    86400 * (first + nights.n) + {EFFORT_S} * numbers.n AS begin
  FROM nights CROSS JOIN stays CROSS JOIN numbers
  WHERE numbers.n < {EFFORT_ROWS} AND first = :first)
"""

_REVIEWS = """
INSERT INTO reviews (event_id, reviewed_utc, reviewer, verdict, label, scientific_name, drawn_from)
SELECT id, :last || '.000000', 'ada', CASE abs(random()) % 10 WHEN 0 THEN 'rejected' ELSE 'confirmed' END, '', '', ''
FROM events ORDER BY id LIMIT :reviews
"""

_ANALYSES = """
INSERT INTO analyses (recording, model_sha256, analysis, site, device, is_complete)
SELECT run, :model, journal, site, device, 1 FROM stays
"""

_CALL_SUMS = """
INSERT INTO calls_by_slot (site, slot, species, model_sha256, calls, confirmed)
SELECT site, strftime('%s', start_utc) / :slot_s AS slot, events.scientific_name, model_sha256,
  sum(coalesce(verdict, '') != 'rejected'), sum(coalesce(verdict, '') = 'confirmed')
FROM events LEFT JOIN reviews ON reviews.event_id = events.id GROUP BY site, slot, events.scientific_name, model_sha256
"""

_EFFORT_SUMS = """
INSERT INTO effort_by_slot (site, slot, state, model_sha256, seconds, measured_s, level_dbfs_s)
SELECT site, strftime('%s', start_utc) / :slot_s AS slot, state, model_sha256, sum(samples * 1.0 / rate_hz),
  sum(samples * 1.0 / rate_hz), sum(level_dbfs * samples / rate_hz)
FROM effort GROUP BY site, slot, state, model_sha256
"""


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """How large the network is."""

    devices: int
    sites: int
    events: int

    @property
    def stays(self) -> int:
        """Sites at which each device has recorded."""
        return self.sites // self.devices

    @property
    def calls_per_night(self) -> int:
        """Calls of a device in a night."""
        return self.events // (self.devices * self.stays * STAY_NIGHTS)


def make_database(path: Path, size: NetworkSize, now: datetime) -> None:
    """Create a database whose last night is the one before `now`, with all sums."""
    url = f"sqlite:///{path}"
    open_database(url).dispose()
    stays = [*_stays(size)]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
            connection.execute(f"PRAGMA {pragma}")
        _fill(connection, size, stays, now)
    engine = open_database(url)  # creates the indexes again
    with engine.begin() as connection:
        _add_devices(connection, stays, now)
    install_triggers(engine)
    with engine.begin() as connection:
        connection.execute(delete(stale_days))
    renew_zones(engine, {})
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


def _fill(connection: sqlite3.Connection, size: NetworkSize, stays: list[dict[str, object]], now: datetime) -> None:
    for table in (events, effort):
        for index in table.indexes:
            connection.execute(f"DROP INDEX {index.name}")
    connection.executescript(_SETUP)
    names = [(n, each.code, each.scientific_name) for n, each in enumerate(SPECIES)]
    connection.executemany("INSERT INTO species VALUES (?, ?, ?)", names)
    connection.executemany("INSERT INTO stays VALUES (:n, :site, :device, :first, :journal, :run)", stays)
    # The nights are local ones of New York: they begin at midnight UTC.
    last = f"{now:%Y-%m-%d} 00:00:00"
    for stay in range(size.stays, 0, -1):
        values = {"last": last, "first": 1 - stay * STAY_NIGHTS}
        connection.execute(_EVENTS, {**values, "calls": size.calls_per_night, "species": len(SPECIES)})
        connection.execute(_EFFORT, values)
    connection.execute(_REVIEWS, {"last": last, "reviews": size.events // 250})
    connection.execute(_ANALYSES, {"model": MODEL})
    connection.execute(_CALL_SUMS, {"slot_s": SLOT_S})
    connection.execute(_EFFORT_SUMS, {"slot_s": SLOT_S})


def _stays(size: NetworkSize) -> list[dict[str, object]]:
    return [
        {
            "n": device * size.stays + stay,
            "site": f"site-{device * size.stays + stay:04}",
            "device": f"recorder-{device:03}",
            "first": 1 - (size.stays - stay) * STAY_NIGHTS,
            "journal": f"{device * size.stays + stay:032x}",
            "run": f"b2:{device:03}{stay:03}:",
        }
        for device in range(size.devices)
        for stay in range(size.stays)
    ]


def _add_devices(connection: Connection, stays: list[dict[str, object]], now: datetime) -> None:
    """Insert the devices with their places; those of earlier stays are retired."""
    rows, reports, hours = [], [], []
    newest = 1 - STAY_NIGHTS
    for n, stay in enumerate(stays):
        key = {"site": stay["site"], "device": stay["device"]}
        in_use = stay["first"] == newest
        seen = now - timedelta(seconds=20) if in_use else now - timedelta(days=1 - int(str(stay["first"])))
        place = {"latitude_deg": 34 + n // 40 * 0.08, "longitude_deg": -79 + n % 40 * 0.09, "zone": ZONE}
        rows.append({
            **key, **place, "state": "online", "last_seen_utc": seen, "app_version": "0.1.0", "model_id": "large",
            "model_sha256": MODEL, "retired_utc": None if in_use else seen,
        })  # fmt: skip
        if in_use:
            reports.append({**key, "received_utc": seen, "message": _health(n, seen).to_bytes().decode()})
            hours += _hours(key, now)
    connection.execute(insert(devices), rows)
    connection.execute(insert(health), reports)
    connection.execute(insert(health_hours), hours)


def _health(n: int, seen: datetime) -> Health:
    problems = ("the card is nearly full",) if n % 9 == 0 else ()
    return Health(
        utc=seen, every_s=86_400, uptime_s=9e5, running_s=8e5, app_version="0.1.0", model_sha256=MODEL,
        config_hash="c0ffee", overruns=0, analysed_s=8e5, dropped_s=0.5, gaps=2, pending=n % 500, problems=problems,
        battery_percent=30 + n % 70, disk_free_bytes=10**9 * (1 + n % 60),
    )  # fmt: skip


def _hours(key: dict[str, object], now: datetime) -> list[dict[str, object]]:
    last = int(now.astimezone(UTC).timestamp() // 3_600)
    return [
        {**key, "hour": last - age, "pending": age % 50, "dropped_s": 0.0, "model_sha256": MODEL, "temperature_c": 20.0}
        for age in range(HEALTH_HOURS)
    ]
