"""No export tells a time as known whose clock is unknown, and each says who corrected a clock."""

import io
from datetime import timedelta
from typing import Any

import pandas
import pytest
from exported import store, table, whole_file
from sqlalchemy import Engine

from anura_base.analysis.set_clock import set_offset
from anura_edge.audio import ClockSource


@pytest.fixture
def unknown(engine: Engine, make: Any) -> Engine:
    store(engine, make.event(1, clock_source=ClockSource.UNKNOWN))
    store(engine, make.effort(2).model_copy(update={"clock_source": ClockSource.UNKNOWN}))
    return engine


@pytest.fixture
def corrected(unknown: Engine) -> Engine:
    with unknown.begin() as connection:
        set_offset(connection, "pond", "one", None, timedelta(hours=10), "ana")
    return unknown


def test_occurrence_of_an_unknown_clock_has_no_date(unknown: Engine) -> None:
    (line,) = table(unknown, "darwin-core")
    assert (line["eventDate"], line["verbatimEventDate"]) == ("", "2026-11-20T19:30:10.000")
    assert "clock is unknown" in line["eventRemarks"]
    assert line["eventID"] == "pond:one:unknown-clock"
    assert line["samplingEffort"] == "", "its night is unknown"


def test_tables_leave_unknown_times_empty(unknown: Engine) -> None:
    for name in ("birdnet", "effort"):
        (line,) = table(unknown, name)
        assert (line["clock_source"], line["start_utc"], line["night"]) == ("unknown", "", "")
        assert line["recorder_start"].startswith("2026-11-20T19:30:")
        assert not line["recorder_start"].endswith("Z")
        assert "clock is unknown" in line["clock_note"]
    (selection,) = table(unknown, "raven")
    assert (selection["Survey Time (UTC)"], selection["Clock"]) == ("", "unknown")
    assert "clock is unknown" in selection["Clock Note"]


@pytest.mark.parametrize("name", ["parquet", "parquet-effort"])
def test_parquet_says_that_the_clock_is_unknown(unknown: Engine, name: str) -> None:
    pytest.importorskip("pyarrow")
    (row,) = pandas.read_parquet(io.BytesIO(whole_file(unknown, name))).to_dict("records")
    assert (row["clock_source"], row["night"]) == ("unknown", None)
    assert "clock is unknown" in row["clock_note"]


def test_corrected_time_is_exported_with_its_author(corrected: Engine) -> None:
    (occurrence,) = table(corrected, "darwin-core")
    assert occurrence["eventDate"] == "2026-11-20T09:30:10.000Z/2026-11-20T09:30:12.000Z"
    assert occurrence["eventRemarks"].startswith("ana corrected the clock by -36000 s on ")
    for name in ("birdnet", "effort"):
        (line,) = table(corrected, name)
        assert line["start_utc"].startswith("2026-11-20T09:30:")
        assert line["clock_source"] == "recorder"
        assert line["clock_note"].startswith("ana corrected the clock")


def test_modification_time_of_a_file_is_named_as_such(engine: Engine, make: Any) -> None:
    store(engine, make.event(1, clock_source=ClockSource.FILE))
    (line,) = table(engine, "darwin-core")
    assert line["eventRemarks"] == "The time is the modification time of the file."
