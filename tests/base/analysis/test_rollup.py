"""Stored sums equal the sums of the rows after inserts, corrections and deletions."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, delete, func, insert, inspect, select, text, update

from anura_base.analysis import rollup
from anura_base.analysis.effort import MAX_EFFORT_SPAN
from anura_base.analysis.hours import hour_totals
from anura_base.analysis.known_nights import latest_night, list_species
from anura_base.analysis.rollup_nights import renew_zones, sites_with_hours
from anura_base.analysis.rollup_tables import (
    HourZero,
    call_hours,
    call_nights,
    call_slots,
    effort_hours,
    effort_nights,
    effort_slots,
    night_zones,
    stale_days,
)
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_edge.audio import ClockSource
from anura_edge.nights import SLOT_S, slot

DAY = datetime(2026, 11, 20, tzinfo=UTC)
COMMON = {
    "device": "d", "journal": uuid4(), "received_utc": DAY, "recording": "r", "rate_hz": 1_000,
    "model_id": "m", "model_version": "1", "model_sha256": "aa", "config_hash": "c", "app_version": "0", "seq": 1,
    "recording_name": "r.wav", "clock_source": "recorder", "site": "pond",
}  # fmt: skip


def call(start: datetime, species: str = "Boana faber", **changes: object) -> dict[str, object]:
    row = {
        **COMMON, "id": uuid4(), "start_utc": start, "end_utc": start, "scientific_name": species, "label": "BOAFAB",
        "onset_sample": 0, "offset_sample": 1, "p_peak": 0.9, "p_mean": 0.9, "level_dbfs": -20,
    }  # fmt: skip
    return row | changes


def recorded(start: datetime, seconds: float, **changes: object) -> dict[str, object]:
    samples = {"first_sample": 0, "samples": int(seconds * 1_000)}
    return {**COMMON, "id": uuid4(), "start_utc": start, "state": "analysed", **samples, **changes}


@pytest.fixture
def summed(engine: Engine) -> Engine:
    install_triggers(engine)
    return engine


def put(engine: Engine, *rows: dict[str, object]) -> None:
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(events if "label" in row else effort).values(row))


def calls(engine: Engine) -> dict[tuple[int, str], int]:
    with engine.connect() as connection:
        query = select(call_slots.c.slot, call_slots.c.species, call_slots.c.calls)
        return {(number, species): count for number, species, count in connection.execute(query)}


def seconds(engine: Engine) -> dict[int, float]:
    with engine.connect() as connection:
        query = select(effort_slots.c.slot, func.sum(effort_slots.c.seconds)).group_by(effort_slots.c.slot)
        return dict(connection.execute(query).all())


def test_calls_are_summed_by_slot_and_species(summed: Engine) -> None:
    put(summed, call(DAY), call(DAY + timedelta(minutes=14.9)), call(DAY + timedelta(minutes=15)), call(DAY, ""))
    rollup.refresh(summed)
    first = slot(DAY)
    assert calls(summed) == {(first, "Boana faber"): 2, (first + 1, "Boana faber"): 1, (first, "BOAFAB"): 1}


def test_effort_is_divided_at_slots_and_at_midnight(summed: Engine) -> None:
    put(summed, recorded(DAY - timedelta(minutes=20), 1_800))
    rollup.refresh(summed)
    first = slot(DAY)
    assert seconds(summed) == {first - 2: 300, first - 1: SLOT_S, first: 600}


def test_effort_across_midnight_stays_when_the_next_day_changes(summed: Engine) -> None:
    put(summed, recorded(DAY - timedelta(minutes=20), 1_800))
    rollup.refresh(summed)
    put(summed, call(DAY + timedelta(hours=3)))
    rollup.refresh(summed)
    assert sum(seconds(summed).values()) == 1_800


def test_corrected_and_deleted_rows_change_the_sums(summed: Engine) -> None:
    put(summed, call(DAY), call(DAY, "Rhinella icterica"), recorded(DAY, 900))
    rollup.refresh(summed)
    with summed.begin() as connection:
        moved = DAY + timedelta(days=40)
        connection.execute(update(events).where(events.c.scientific_name == "Boana faber").values(start_utc=moved))
        connection.execute(delete(events).where(events.c.scientific_name == "Rhinella icterica"))
        connection.execute(delete(effort))
    rollup.refresh(summed)
    assert calls(summed) == {(slot(moved), "Boana faber"): 1}
    assert seconds(summed) == {}


def test_row_with_unknown_clock_is_in_no_sum(summed: Engine) -> None:
    put(summed, call(DAY, clock_source="unknown"), recorded(DAY, 900, clock_source="unknown"))
    rollup.refresh(summed)
    assert (calls(summed), seconds(summed)) == ({}, {})
    with summed.begin() as connection:
        for table in (events, effort):
            connection.execute(update(table).values(clock_source=ClockSource.SYSTEM))
    rollup.refresh(summed)
    assert len(calls(summed)) == len(seconds(summed)) == 1


def test_effort_of_absurd_length_is_limited(summed: Engine) -> None:
    put(summed, recorded(DAY, 1e9, rate_hz=1), recorded(datetime(9999, 12, 31, 23, tzinfo=UTC), 1e6))
    rollup.refresh(summed)
    assert len(seconds(summed)) <= MAX_EFFORT_SPAN.total_seconds() / SLOT_S + 4


def test_rows_from_before_the_triggers_are_summed(engine: Engine) -> None:
    if engine.dialect.name == "postgresql":  # the tests share its tables, with the triggers of earlier tests
        with engine.begin() as connection:
            for table in ("events", "effort"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {table}_changed_insert ON {table}"))
    put(engine, call(DAY), recorded(DAY, 900))
    install_triggers(engine)
    install_triggers(engine)
    rollup.refresh(engine)
    assert (len(calls(engine)), len(seconds(engine))) == (1, 1)


def test_no_mark_remains_after_refresh(summed: Engine) -> None:
    put(summed, *(call(DAY + timedelta(days=day)) for day in range(3 * rollup.DAYS_PER_STEP)))
    rollup.refresh(summed)
    with summed.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(stale_days)) == 0
    assert len(calls(summed)) == 3 * rollup.DAYS_PER_STEP


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sums_of_an_older_version_are_replaced(engine: Engine) -> None:
    put(engine, call(DAY))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE call_slots (site TEXT)"))
        connection.execute(text("CREATE TRIGGER events_stale_insert AFTER INSERT ON events BEGIN SELECT 1; END"))
    install_triggers(engine)
    rollup.refresh(engine)
    assert len(calls(engine)) == 1
    assert not inspect(engine).has_table("call_slots")
    with engine.connect() as connection:
        left = connection.scalars(text("SELECT name FROM sqlite_master WHERE name LIKE '%stale_insert'")).all()
    assert left == []
    put(engine, call(DAY + timedelta(hours=1)))
    rollup.refresh(engine)
    assert len(calls(engine)) == 2


def test_sqlite_marks_a_day_only_once(summed: Engine) -> None:
    put(summed, *(call(DAY + timedelta(seconds=n)) for n in range(50)), *(recorded(DAY, 60) for _ in range(5)))
    with summed.connect() as connection:
        marks = connection.scalar(select(func.count()).select_from(stale_days))
    assert marks == (2 if summed.dialect.name == "sqlite" else 55)
    rollup.refresh(summed)
    assert sum(calls(summed).values()) == 50


def nights_of(engine: Engine) -> dict[tuple[date, str], float]:
    """Return the stored sums of nights: calls by night and species, seconds by night and state."""
    with engine.connect() as connection:
        calls = select(call_nights.c.evening, call_nights.c.species, call_nights.c.calls)
        hours = select(effort_nights.c.evening, effort_nights.c.state, effort_nights.c.seconds)
        rows = [*connection.execute(calls), *connection.execute(hours)]
    return {(date.fromordinal(evening), name): amount for evening, name, amount in rows}


def test_sums_of_nights_follow_the_rows_and_the_time_zone(summed: Engine) -> None:
    first, second = DAY + timedelta(hours=11), DAY + timedelta(hours=13)
    put(summed, call(first), call(second), recorded(first, 600), recorded(second, 1_200))
    rollup.refresh(summed)
    assert nights_of(summed) == {}
    renew_zones(summed, {"pond": Site()})
    day, before = DAY.date(), DAY.date() - timedelta(days=1)
    assert nights_of(summed) == {
        (before, "Boana faber"): 1, (day, "Boana faber"): 1, (before, "analysed"): 600, (day, "analysed"): 1_200,
    }  # fmt: skip
    # Rows that come later or go.
    put(summed, call(second, "Rana dalmatina"))
    with summed.begin() as connection:
        connection.execute(delete(events).where(events.c.start_utc == first))
    rollup.refresh(summed)
    assert nights_of(summed) == {
        (day, "Boana faber"): 1, (day, "Rana dalmatina"): 1, (before, "analysed"): 600, (day, "analysed"): 1_200,
    }  # fmt: skip
    # In Tokyo, 9 h ahead, both moments are in the night of the same date.
    renew_zones(summed, {"pond": Site(zone="Asia/Tokyo")})
    assert nights_of(summed) == {(day, "Boana faber"): 1, (day, "Rana dalmatina"): 1, (day, "analysed"): 1_800}
    with summed.connect() as connection:
        assert list_species(connection) == ["Boana faber", "Rana dalmatina"]
        assert latest_night(connection, {"pond": Site(zone="Asia/Tokyo")}) == day
        assert latest_night(connection, {"pond": Site()}) == day  # not the zone of the sums: from the quarters


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_sums_of_hours_follow_the_rows_the_place_and_older_versions(summed: Engine) -> None:
    pond = Site(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")
    evening = DAY + timedelta(hours=24)  # 21:00 on the clock of the pond, after the sunset at 18:30
    put(summed, call(evening), recorded(evening, 600))

    def hours(site: Site) -> list[tuple[dict[int, int], dict[int, float], int, int]]:
        with summed.connect() as connection:
            found = [
                hour_totals(connection, {"pond": site}, DAY.date(), DAY.date(), zero, confirmed=False)
                for zero in HourZero
            ]
        return [
            (
                {hour: count for hour, count in each.calls.get("Boana faber", {}).items() if count},
                {hour: amount for hour, amount in each.seconds.items() if amount},
                each.nights,
                each.nights_without_zero,
            )
            for each in found
        ]

    def stored() -> int:
        with summed.connect() as connection:
            return len(sites_with_hours(connection, {"pond": pond}))

    rollup.refresh(summed)
    expected = [({9: 1}, {9: 600}, 1, 0), ({2: 1}, {2: 600}, 1, 0)]
    assert (stored(), hours(pond)) == (0, expected)  # from the quarters of an hour
    renew_zones(summed, {"pond": pond})
    assert (stored(), hours(pond)) == (1, expected)
    put(summed, call(evening + timedelta(hours=1)), recorded(evening + timedelta(hours=1), 300))
    rollup.refresh(summed)
    expected = [({9: 1, 10: 1}, {9: 600, 10: 300}, 1, 0), ({2: 1, 3: 1}, {2: 600, 3: 300}, 1, 0)]
    assert (stored(), hours(pond)) == (1, expected)
    # A version without sums of hours: they are made again when a newer one runs.
    with summed.begin() as connection:
        connection.execute(delete(call_hours))
        connection.execute(delete(effort_hours))
        connection.execute(update(night_zones).values(has_hours=False))
    assert (stored(), hours(pond)) == (0, expected)
    renew_zones(summed, {"pond": pond})
    assert (stored(), hours(pond)) == (1, expected)
    # Without a position there is no sunset.
    nowhere = Site(zone=pond.zone)
    without_sunset = [expected[0], ({}, {}, 0, 1)]
    assert hours(nowhere) == without_sunset
    renew_zones(summed, {"pond": nowhere})
    assert (stored(), hours(nowhere)) == (0, without_sunset)
