"""People correct unknown clocks: each row keeps who did it, and a later correction replaces an earlier one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from device_rows import START
from exported import store
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from anura_base.analysis import rollup
from anura_base.analysis.clock_corrections import clock_corrections
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.rows import select_rows
from anura_base.analysis.set_clock import parse_offset, parse_start, set_offset, set_start
from anura_base.analysis.unknown_clocks import unknown_clocks
from anura_base.db.schema import effort, events
from anura_edge.audio import ClockSource
from anura_edge.errors import ConfigError

TEN_HOURS = timedelta(hours=10)
UNKNOWN = {"clock_source": ClockSource.UNKNOWN}


@pytest.fixture
def unknown(engine: Engine, make: Any) -> Engine:
    """Two recordings of unknown clock, and one with a known clock, all with a call and effort."""
    install_triggers(engine)
    for number, clock in ((1, ClockSource.UNKNOWN), (2, ClockSource.UNKNOWN), (3, ClockSource.RECORDER)):
        recording = {"recording": f"b2:{number}", "recording_name": f"{number}.wav", "clock_source": clock}
        call = make.event(1, **recording)
        store(engine, call)
        store(engine, make.effort(2).model_copy(update={**recording, "analysis": call.analysis}))
    return engine


def rows(engine: Engine, recording: str) -> list[tuple[datetime, str, str | None]]:
    """Return start, clock source and author of the correction, of the call and the effort."""
    with engine.connect() as connection:
        found = [
            connection.execute(select_rows(table).where(table.c.recording == recording)).one()
            for table in (events, effort)
        ]
    return [(row.start_utc, row.clock_source, row.corrected_by) for row in found]


def test_offset_corrects_all_unknown_recordings_of_a_device(unknown: Engine) -> None:
    with unknown.begin() as connection:
        assert set_offset(connection, "pond", "one", None, TEN_HOURS, "ana") == 2
    expected = [(START + timedelta(seconds=10) - TEN_HOURS, "recorder", "ana"), (START - TEN_HOURS, "recorder", "ana")]
    assert rows(unknown, "b2:1") == rows(unknown, "b2:2") == expected
    assert [(source, author) for _, source, author in rows(unknown, "b2:3")] == [("recorder", None)] * 2
    with unknown.connect() as connection:
        assert unknown_clocks(connection, 10) == []


def test_corrected_rows_count_in_their_night(unknown: Engine) -> None:
    def sums() -> tuple[int, float]:
        rollup.refresh(unknown)
        with unknown.connect() as connection:
            calls = connection.scalars(select(call_slots.c.calls)).all()
            return sum(calls), sum(connection.scalars(select(effort_slots.c.seconds)))

    assert sums() == (1, 3_600)
    with unknown.begin() as connection:
        set_offset(connection, "pond", "one", None, TEN_HOURS, "ana")
    assert sums() == (3, 3 * 3_600)


def test_start_corrects_one_recording_by_name(unknown: Engine) -> None:
    start = datetime(2020, 5, 1, 21, 30, tzinfo=UTC)
    with unknown.begin() as connection:
        set_start(connection, "pond", "one", "1.wav", start, "ana")
    assert [moment for moment, *_ in rows(unknown, "b2:1")] == [start + timedelta(seconds=10), start]
    with unknown.connect() as connection:
        assert [each.recording for each in unknown_clocks(connection, 10)] == ["b2:2"]


def test_later_correction_counts_from_the_time_of_the_recorder(unknown: Engine) -> None:
    with unknown.begin() as connection:
        set_offset(connection, "pond", "one", "1.wav", TEN_HOURS, "ana")
        set_offset(connection, "pond", "one", "1.wav", -TEN_HOURS, "bea")
        set_offset(connection, "pond", "one", "1.wav", timedelta(0), "eve")
    assert rows(unknown, "b2:1") == [
        (START + timedelta(seconds=10), "recorder", "eve"),
        (START, "recorder", "eve"),
    ]
    with unknown.connect() as connection:
        people = connection.scalars(select(clock_corrections.c.corrected_by).order_by(clock_corrections.c.number))
        assert [*people] == ["ana", "bea", "eve"], "earlier corrections stay"


@pytest.mark.parametrize("device", ["one", "two"])
def test_rows_that_arrive_later_are_corrected(unknown: Engine, make: Any, device: str) -> None:
    """Also those of another device that analysed the same recording."""
    with unknown.begin() as connection:
        set_offset(connection, "pond", "one", None, TEN_HOURS, "ana")
    late = make.event(7, recording="b2:1", recording_name="1.wav", **UNKNOWN)
    store(unknown, late, device=device)
    with unknown.connect() as connection:
        (row,) = connection.execute(select_rows(events).where(events.c.id == late.id))
    assert (row.start_utc, row.clock_source, row.corrected_by) == (late.start_utc - TEN_HOURS, "recorder", "ana")


def test_correction_is_refused_with_the_reason(unknown: Engine) -> None:
    with unknown.begin() as connection:
        for recording, reason in (("b2:3", "no recording b2:3 whose clock is unknown"), ("x", "no recording x")):
            with pytest.raises(ConfigError, match=reason):
                set_offset(connection, "pond", "one", recording, TEN_HOURS, "ana")
        with pytest.raises(ConfigError, match="whose clock is unknown"):
            set_offset(connection, "pond", "two", None, TEN_HOURS, "ana")
        for year in (1, 9999):
            with pytest.raises(ConfigError, match=f"in the year {year}"):
                set_start(connection, "pond", "one", "1.wav", datetime(year, 6, 1, tzinfo=UTC), "ana")


@pytest.mark.parametrize("text", ["", "10:00", "+10", "+14:30", "+10:60", "+1:00", "-15:00", "+10:00 "])
def test_text_that_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as in"):
        parse_offset(text)


@pytest.mark.parametrize("text", ["", "2026-05-01", "2026-05-01T21:30:00", "yesterday", "21:30+10:00"])
def test_text_that_is_no_start_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as in"):
        parse_start(text)


@given(st.integers(-14 * 60, 14 * 60))
def test_every_offset_is_read(minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    text = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    assert parse_offset(text) == timedelta(minutes=minutes)
