"""The tables equal those that pandas makes, minute by minute, of the same rows."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anura_edge.events import EffortState
from anura_edge.nights import night
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.results.tables.bins import clock_bin, sunset_bin
from anura_edge.results.tables.hourly import hourly_table
from anura_edge.results.tables.nightly import calling_index, nightly_table
from anura_edge.results.tables.occupancy import OccupancyTables, occupancy_tables
from anura_edge.results.tables.text import matrix_csv
from anura_edge.sites.table import SitePlace
from anura_edge.wire import Owner

PLACES = {
    "cerrado": SitePlace("America/Sao_Paulo", -22.4, -47.55),
    "clocks-go-back": SitePlace("Europe/London", 51.5, -0.1),
    "half-an-hour": SitePlace("Australia/Lord_Howe", -31.55, 159.08),
    "polar": SitePlace("Europe/Oslo", 69.65, 18.96),
}
ALL = RowFilter()

RandomRows = Callable[[int], tuple[list[Bout], list[SiteEffort]]]


def effort_frame(spans: list[SiteEffort]) -> pd.DataFrame:
    """One line for each minute analysed, with the night and the hour of the local clock."""
    minutes = [
        (span.owner.site, minute)
        for span in spans
        if span.state == EffortState.ANALYSED
        for minute in pd.date_range(span.start_utc, span.end_utc, freq="min", inclusive="left")
    ]
    return with_local_time(pd.DataFrame(minutes, columns=["site", "utc"]))


def bout_frame(bouts: list[Bout]) -> pd.DataFrame:
    values = [(bout.owner.site, pd.Timestamp(bout.start_utc), bout.name) for bout in bouts]
    return with_local_time(pd.DataFrame(values, columns=["site", "utc", "species"]))


def with_local_time(frame: pd.DataFrame) -> pd.DataFrame:
    parts = [
        part.assign(local=part.utc.dt.tz_convert(PLACES[str(site)].zone).dt.tz_localize(None))
        for site, part in frame.groupby("site")
    ]
    frame = pd.concat(parts)
    return frame.assign(night=(frame.local - pd.Timedelta(hours=12)).dt.date, hour=frame.local.dt.hour)


@pytest.mark.parametrize("seed", range(5))
def test_nightly_table_equals_pandas(random_rows: RandomRows, seed: int) -> None:
    bouts, spans = random_rows(seed)
    hours = effort_frame(spans).groupby(["site", "night"]).size() / 60
    found = bout_frame(bouts).groupby(["site", "night", "species"])
    counts, firsts = found.size(), found.utc.min()
    table = nightly_table(bouts, spans, PLACES, ALL)
    assert {(row.site, row.night) for row in table} == set(hours.index)
    for row in table:
        key = row.site, row.night, row.species
        assert row.effort_h == pytest.approx(hours[row.site, row.night])
        assert row.bouts == counts.get(key, 0)
        assert row.first_call_utc == firsts.get(key)
        assert (row.first_call_t2ss_min is None) == (row.sunset_utc is None or row.bouts == 0)
        assert (row.calling_index > 0) == (row.bouts > 0) == (row.minutes_with_calls > 0)


@pytest.mark.parametrize("seed", range(5))
def test_hourly_table_equals_pandas(random_rows: RandomRows, seed: int) -> None:
    bouts, spans = random_rows(seed)
    hours = effort_frame(spans).groupby(["site", "night", "hour"]).size() / 60
    counts = bout_frame(bouts).groupby(["site", "night", "hour", "species"]).size()
    table = hourly_table(bouts, spans, PLACES, ALL, clock_bin)
    assert {(row.site, row.night, row.hour) for row in table} == set(hours.index)
    for row in table:
        assert row.effort_h == pytest.approx(hours[row.site, row.night, row.hour])
        assert row.bouts == counts.get((row.site, row.night, row.hour, row.species), 0)


@pytest.mark.parametrize("seed", range(3))
def test_sunset_table_has_all_effort_of_nights_with_a_sunset(random_rows: RandomRows, seed: int) -> None:
    bouts, spans = random_rows(seed)
    frame = effort_frame(spans)
    sunsets = {key: night(PLACES[key[0]], key[1]).sunset_utc for key in set(zip(frame.site, frame.night, strict=True))}
    assert None in sunsets.values()  # polar summer
    frame["sunset"] = pd.to_datetime([sunsets[key] for key in zip(frame.site, frame.night, strict=True)], utc=True)
    frame = frame.dropna()
    frame["since"] = np.floor((frame.utc - frame.sunset) / pd.Timedelta(hours=1)).astype(int)
    expected = frame.groupby(["site", "night", "since"]).size() / 60
    table = hourly_table(bouts, spans, PLACES, ALL, sunset_bin)
    hours = {(row.site, row.night, row.hour): row.effort_h for row in table}
    assert sum(hours.values()) == pytest.approx(expected.sum())
    for key, value in hours.items():  # a minute of pandas may be on both sides of a sunset
        assert value == pytest.approx(expected.get(key, 0), abs=12 * 2 / 60)


@pytest.mark.parametrize("seed", range(5))
def test_detection_history_is_missing_exactly_where_effort_is(random_rows: RandomRows, seed: int) -> None:
    bouts, spans = random_rows(seed)
    hours = (effort_frame(spans).groupby(["site", "night"]).size() / 60).unstack()
    counts = bout_frame(bouts).groupby(["species", "site", "night"]).size()
    tables = occupancy_tables(bouts, spans, PLACES, ALL)
    assert list(tables.sites) == sorted(PLACES)
    for row, site in enumerate(tables.sites):
        for column, evening in enumerate(tables.nights):
            effort_h = hours.loc[site].get(evening, np.nan)
            assert (tables.effort_h[row][column] is None) == bool(np.isnan(effort_h))
            for species, matrix in tables.detections.items():
                expected = None if np.isnan(effort_h) else int((species, site, evening) in counts.index)
                assert matrix[row][column] == expected


def test_columns_of_a_detection_history_are_the_nights_of_the_filter(random_rows: RandomRows) -> None:
    first, last = datetime(2026, 11, 1).date(), datetime(2026, 11, 30).date()
    tables = occupancy_tables(*random_rows(0), PLACES, RowFilter(first_night=first, last_night=last))
    assert (tables.nights[0], tables.nights[-1], len(tables.nights)) == (first, last, 30)


def test_calling_index_does_not_fall_with_more_calls() -> None:
    indices = [calling_index(seconds) for seconds in range(61)]
    assert indices == sorted(indices)
    assert {*indices} == {1, 2, 3}


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="no Rscript")
def test_r_reads_a_detection_history(random_rows: RandomRows, tmp_path: Path) -> None:
    tables = occupancy_tables(*random_rows(0), PLACES, ALL)
    write(tables, tmp_path)
    script = """
        y <- as.matrix(read.csv("y.csv", row.names = 1, check.names = FALSE))
        effort <- as.matrix(read.csv("effort.csv", row.names = 1, check.names = FALSE))
        stopifnot(is.numeric(y), all(y %in% c(0, 1, NA)), identical(is.na(y), is.na(effort)))
        stopifnot(!is.na(as.Date(colnames(y))))
        cat(dim(y), sum(y, na.rm = TRUE))
    """
    done = subprocess.run(["Rscript", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    detected = sum(value or 0 for row in tables.detections["Boana faber"] for value in row)
    assert done.stdout.split() == [str(len(tables.sites)), str(len(tables.nights)), str(detected)]


def write(tables: OccupancyTables, folder: Path) -> None:
    for name, matrix in (("y", tables.detections["Boana faber"]), ("effort", tables.effort_h)):
        (folder / f"{name}.csv").write_text(matrix_csv(tables.sites, tables.nights, matrix))


def test_a_night_that_was_not_analysed_is_not_zero() -> None:
    start = datetime(2026, 11, 20, 22, tzinfo=UTC)
    states = [EffortState.ANALYSED, EffortState.UNREADABLE, EffortState.SILENT, EffortState.ANALYSED]
    spans = [
        SiteEffort(Owner("cerrado"), state, start + timedelta(days=day), start + timedelta(days=day, hours=1))
        for day, state in enumerate(states)
    ]
    tables = occupancy_tables([], spans, {"cerrado": PLACES["cerrado"]}, ALL)
    assert tables.effort_h == [[1.0, None, None, 1.0]]
