"""The numbers of the charts equal an independent computation with pandas: summer time, polar nights, and the south."""

import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from sqlalchemy import Engine, insert, select
from starlette.testclient import TestClient

from anura_base.analysis import rollup, seasons
from anura_base.analysis.rollup_nights import renew_zones
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.db.engine import open_database
from anura_base.db.schema import effort, events
from anura_base.web.app import create_app

SITES = {
    "fen": Site(latitude_deg=51.5, longitude_deg=0.2, zone="Europe/London"),
    "tundra": Site(latitude_deg=69.65, longitude_deg=18.96, zone="Europe/Oslo"),
    "pond": Site(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo"),
}
SPECIES = ["Boana faber", "Bufo bufo", "Rana temporaria"]

CONSTANT = {
    "device": "d", "journal": uuid4(), "received_utc": datetime(2026, 11, 1, tzinfo=UTC), "recording": "r", "seq": 1,
    "recording_name": "r.wav", "rate_hz": 1_000, "model_id": "m", "model_version": "1", "model_sha256": "aa",
    "config_hash": "c", "app_version": "0", "clock_source": "recorder", "label": "X", "onset_sample": 0,
    "offset_sample": 1, "p_peak": 0.9, "p_mean": 0.9, "level_dbfs": -20, "first_sample": 0,
}  # fmt: skip

PERIODS = [(datetime(2025, 3, 26, tzinfo=UTC), 9), (datetime(2025, 12, 28, tzinfo=UTC), 9),
           (datetime(2026, 3, 25, tzinfo=UTC), 9), (datetime(2026, 6, 18, tzinfo=UTC), 6)]  # fmt: skip
"""Around the beginning of summer time, in the polar night, and under the midnight sun."""

FIRST, LAST = date(2026, 3, 20), date(2026, 6, 30)


def make_rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = random.Random(3)
    calls, recorded = [], []
    for begin, days in PERIODS:
        for site in SITES:
            for number in range(days * 24):
                if rng.random() < 0.5 or (number // 24 % 5 == 3 and site == "fen"):
                    continue  # the fen has whole days without audio
                start = begin + timedelta(hours=number)
                state = "analysed" if rng.random() < 0.9 else "clipped"
                recorded.append({"site": site, "start": start, "seconds": 600, "state": state})
                for _ in range(rng.choice([0, 0, 0, 1, 3])):
                    moment = start + timedelta(seconds=rng.randrange(599))
                    calls.append({"site": site, "start": moment, "species": rng.choice(SPECIES[: 2 + (days > 8)])})
    return pd.DataFrame(calls), pd.DataFrame(recorded)


@pytest.fixture(scope="module")
def frames() -> SimpleNamespace:
    """The rows, each with the night in which it is: its local date, twelve hours before."""

    def with_night(frame: pd.DataFrame) -> pd.DataFrame:
        def night(row: Any) -> date:
            return (row.start.tz_convert(SITES[row.site].zone).tz_localize(None) - pd.Timedelta(hours=12)).date()

        frame = frame.assign(start=pd.to_datetime(frame.start, utc=True))
        return frame.assign(night=[night(row) for row in frame.itertuples()])

    calls, recorded = map(with_night, make_rows())
    return SimpleNamespace(calls=calls, recorded=recorded[recorded.state == "analysed"], all_rows=recorded)


@pytest.fixture(scope="module")
def stored(frames: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path: Path = tmp_path_factory.mktemp("seasons") / "base.db"
    engine = open_database(f"sqlite:///{path}")
    install_triggers(engine)
    with engine.begin() as connection:
        for table, frame in ((events, frames.calls), (effort, frames.all_rows)):
            rows = [
                {**CONSTANT, "id": uuid4(), "site": row.site, "start_utc": row.start.to_pydatetime(),
                 "end_utc": row.start.to_pydatetime(), "scientific_name": getattr(row, "species", ""),
                 "state": getattr(row, "state", ""), "samples": 1_000 * getattr(row, "seconds", 0)}
                for row in frame.itertuples()
            ]  # fmt: skip
            connection.execute(insert(table), [{k: v for k, v in row.items() if k in table.c} for row in rows])
    rollup.refresh(engine)
    renew_zones(engine, SITES)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def table(stored: Engine) -> Any:
    """Read the CSV table of a chart from the application."""
    app = create_app(
        stored, SimpleNamespace(commits=0, healthy=True), SimpleNamespace(connected=True), None, sites=SITES
    )  # type: ignore[arg-type]
    client = TestClient(app, base_url="http://127.0.0.1:8080")

    def read(chart: str, **values: Any) -> list[dict[str, str]]:
        answer = client.get("/charts.csv", params={"chart": chart, "first": str(FIRST), "last": str(LAST), **values})
        assert answer.status_code == 200, answer.text
        return [*csv.DictReader(io.StringIO(answer.text))]

    return read


def in_span(frame: pd.DataFrame, sites: list[str] | None = None) -> pd.DataFrame:
    chosen = frame[frame.site.isin(sites or list(SITES))]
    return chosen[(chosen.night >= FIRST) & (chosen.night <= LAST)]


def rate(calls: int, seconds: float) -> str:
    return f"{round(calls / (seconds / 3_600), 4)}" if seconds else "NA"


def test_nights_of_species_equal_pandas(table: Any, frames: SimpleNamespace) -> None:
    calls, recorded = in_span(frames.calls), in_span(frames.recorded)
    seconds = recorded.groupby("night").seconds.sum()
    counts = calls.groupby(["species", "night"]).size()
    rows = table("ridges")
    assert {row["species"] for row in rows} == set(calls.species)
    assert len(rows) == calls.species.nunique() * ((LAST - FIRST).days + 1)
    for row in rows:
        night = date.fromisoformat(row["night"])
        count = counts.get((row["species"], night), 0)
        assert (int(row["calls"]), row["calls_per_hour"]) == (count, rate(count, seconds.get(night, 0)))


def test_accumulation_equals_pandas(table: Any, frames: SimpleNamespace) -> None:
    calls, recorded = in_span(frames.calls), in_span(frames.recorded)
    for row in table("accumulation"):
        night = date.fromisoformat(row["night"])
        assert int(row["species"]) == calls[calls.night <= night].species.nunique()
        assert float(row["hours_analysed"]) == pytest.approx(
            recorded[recorded.night <= night].seconds.sum() / 3_600, abs=1e-4
        )


@pytest.mark.parametrize("sites", [["fen", "tundra"], ["pond"]])
def test_years_and_phenology_equal_pandas(table: Any, frames: SimpleNamespace, sites: list[str]) -> None:
    month = 7 if sites == ["pond"] else 1  # in the south a year begins in July

    def year(night: date) -> int:
        return night.year - (night.month < month)

    calls = frames.calls[frames.calls.site.isin(sites) & (frames.calls.species == "Bufo bufo")]
    recorded = frames.recorded[frames.recorded.site.isin(sites)]
    calls, recorded = (frame[frame.night <= LAST] for frame in (calls, recorded))
    found = table("phenology", species="Bufo bufo", site=sites)
    assert [row["year"][:4] for row in found] == [str(each) for each in sorted({*map(year, recorded.night)})]
    for row in found:
        of_year = [night for night in calls.night if year(night) == int(row["year"][:4])]
        analysed = {night for night in recorded.night if year(night) == int(row["year"][:4])}
        edges = [str(min(of_year)), str(max(of_year))] if of_year else ["NA", "NA"]
        assert [row["first_night"], row["last_night"]] == edges
        assert (int(row["nights_with_calls"]), int(row["nights_analysed"])) == (len(set(of_year)), len(analysed))

    for row in table("years", species="Bufo bufo", site=sites):
        begin = date.fromisoformat(row["week_from"])
        end = min(begin + timedelta(days=7), date(int(row["year"][:4]) + 1, month, 1))
        count = sum(begin <= night < end for night in calls.night)
        inside = recorded[(recorded.night >= begin) & (recorded.night < end)]
        assert (int(row["calls"]), row["calls_per_hour"]) == (count, rate(count, inside.seconds.sum()))


def test_sites_and_clock_equal_pandas(table: Any, frames: SimpleNamespace) -> None:
    calls, recorded = in_span(frames.calls), in_span(frames.recorded)
    calls = calls[calls.species == "Bufo bufo"]
    rows = table("sites", species="Bufo bufo")
    assert {row["site"] for row in rows} == set(SITES)
    rates = [float(row["calls_per_hour"]) for row in rows]
    assert rates == sorted(rates, reverse=True)
    for row in rows:
        count, seconds = (calls.site == row["site"]).sum(), recorded[recorded.site == row["site"]].seconds.sum()
        assert (int(row["calls"]), row["calls_per_hour"]) == (count, rate(count, seconds))

    def hour(frame: pd.DataFrame) -> pd.Series:
        return pd.Series([f"{row.start.tz_convert(SITES[row.site].zone).hour:02d}:00" for row in frame.itertuples()])

    by_hour, seconds = hour(calls).value_counts(), recorded.seconds.groupby(hour(recorded).to_numpy()).sum()
    for row in table("clock", species="Bufo bufo"):
        count = by_hour.get(row["local_hour"], 0)
        assert (int(row["calls"]), row["calls_per_hour"]) == (count, rate(count, seconds.get(row["local_hour"], 0)))


@pytest.mark.parametrize("site", list(SITES))
def test_first_and_last_call_equal_pandas(table: Any, frames: SimpleNamespace, site: str) -> None:
    calls, recorded = in_span(frames.calls, [site]), in_span(frames.recorded, [site])
    calls = calls[calls.species == "Bufo bufo"]
    local = [row.start.tz_convert(SITES[site].zone) for row in calls.itertuples()]
    limits = pd.Series(local, index=calls.night.to_numpy(), dtype=object).groupby(level=0).agg(["min", "max"])
    for row in table("limits", species="Bufo bufo", site=site):
        night = date.fromisoformat(row["night"])
        present = "NA" if night not in set(recorded.night) | set(limits.index) else str(int(night in limits.index))
        assert row["present"] == present
        times = [f"{limits.loc[night][edge]:%H:%M:%S}" for edge in ("min", "max")] if present == "1" else ["NA", "NA"]
        assert [row["first_call"], row["last_call"]] == times


def test_a_year_begins_where_most_sites_have_winter() -> None:
    assert seasons.year_begin(SITES) == 1
    assert seasons.year_begin({"pond": SITES["pond"]}) == 7
    assert seasons.year_begin({}) == 1
    assert seasons.first_night_of_year(date(2026, 6, 30), 7) == date(2025, 7, 1)


def test_first_and_last_call_are_read_on_both_kinds_of_database(engine: Engine) -> None:
    start = datetime(2026, 6, 20, 22, tzinfo=UTC)
    row = {**CONSTANT, "site": "fen", "end_utc": start, "scientific_name": "Bufo bufo"}
    row = {name: value for name, value in row.items() if name in events.c}
    with engine.begin() as connection:
        for hours in (0, 3):
            connection.execute(
                insert(events).values({**row, "id": uuid4(), "start_utc": start + timedelta(hours=hours)})
            )
        assert connection.scalars(select(events.c.id)).all()
        found = seasons.call_limits(connection, "fen", SITES["fen"], start.date(), start.date(), "Bufo bufo")
    assert found == {start.date().toordinal(): (start, start + timedelta(hours=3))}
