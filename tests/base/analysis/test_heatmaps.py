"""Heatmaps equal an independent computation with pandas from the same rows."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pandas as pd
import pytest
from astral import Observer
from astral.sun import sunset
from sqlalchemy import Connection, Engine, func, insert, select

from anura_base.analysis import heatmaps, rollup
from anura_base.analysis.heatmaps import Cell, Grid
from anura_base.analysis.rollup_nights import renew_zones
from anura_base.analysis.rollup_tables import HourZero, night_zones
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.verdicts import reviews
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events

SITES = {
    "pond": Site(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo"),
    "fen": Site(latitude_deg=51.5, longitude_deg=0.2, zone="Europe/London"),
    "hill": Site(latitude_deg=27.7, longitude_deg=85.3, zone="Asia/Kathmandu"),
    "fjord": Site(latitude_deg=78.2, longitude_deg=15.6, zone="Arctic/Longyearbyen"),
}
FIRST, LAST = date(2026, 10, 22), date(2026, 10, 28)
"""Daylight saving time ends in London in the night of the 24th, and the polar night begins in Longyearbyen."""

SPECIES = ["Boana faber", "Physalaemus cuvieri", "Rana temporaria"]

CONSTANT = {
    "device": "d", "journal": uuid4(), "received_utc": datetime(2026, 11, 1, tzinfo=UTC), "recording": "r", "seq": 1,
    "recording_name": "r.wav", "rate_hz": 1_000, "model_id": "m", "model_version": "1", "model_sha256": "aa",
    "config_hash": "c", "app_version": "0", "clock_source": "recorder", "label": "X", "onset_sample": 0,
    "offset_sample": 1, "p_peak": 0.9, "p_mean": 0.9, "level_dbfs": -20, "first_sample": 0,
}  # fmt: skip

REVIEW = {"reviewed_utc": datetime(2026, 11, 2, tzinfo=UTC), "reviewer": "ada", "verdict": "confirmed", "label": ""}


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a week of calls and of recordings of five minutes. A third of the recordings are missing."""
    rng = random.Random(7)
    calls, recorded = [], []
    begin = datetime(2026, 10, 22, tzinfo=UTC)
    for site in SITES:
        for number in range(460):
            if rng.random() < 0.35:
                continue
            start = begin + timedelta(minutes=25 * number)
            state = "analysed" if rng.random() < 0.9 else "clipped"
            recorded.append({"site": site, "start": start, "seconds": 300, "state": state})
            for _ in range(rng.choice([0, 0, 1, 5])):
                moment = start + timedelta(seconds=rng.uniform(0, 299))
                confirmed = rng.random() < 0.2
                calls.append({"site": site, "start": moment, "species": rng.choice(SPECIES), "confirmed": confirmed})
    # The pond has one night without effort, and one with effort but without calls.
    calls, recorded = pd.DataFrame(calls), pd.DataFrame(recorded)
    quiet = (calls.site == "pond") & calls.start.between("2026-10-24T15:00Z", "2026-10-26T14:59Z")
    off = (recorded.site == "pond") & recorded.start.between("2026-10-24T15:00Z", "2026-10-25T14:59Z")
    return calls[~quiet].reset_index(), recorded[~off].reset_index()


@pytest.fixture(params=["quarters", "nights", "both"])
def connection(
    request: pytest.FixtureRequest, engine: Engine, rows: tuple[pd.DataFrame, pd.DataFrame]
) -> Iterator[Connection]:
    """Read the sums of quarters of an hour, those of nights and hours, or those of nights of one site only."""
    calls, recorded = rows
    install_triggers(engine)
    confirmed = []
    with engine.begin() as connection:
        for table, frame in ((events, calls), (effort, recorded)):
            ids = [uuid4() for _ in range(len(frame))]
            confirmed += [
                each for each, row in zip(ids, frame.itertuples(), strict=True) if getattr(row, "confirmed", False)
            ]
            connection.execute(
                insert(table),
                [
                    {name: value for name, value in {
                        **CONSTANT, "id": each, "site": row.site, "start_utc": row.start.to_pydatetime(),
                        "end_utc": row.start.to_pydatetime(), "scientific_name": getattr(row, "species", ""),
                        "state": getattr(row, "state", ""), "samples": 1_000 * getattr(row, "seconds", 0),
                    }.items() if name in table.c}
                    for each, row in zip(ids, frame.itertuples(), strict=True)
                ],
            )  # fmt: skip
        connection.execute(insert(reviews), [{**REVIEW, "event_id": each} for each in confirmed])
    rollup.refresh(engine)
    with_nights = {"quarters": {}, "nights": SITES, "both": {"fen": SITES["fen"]}}[request.param]
    renew_zones(engine, with_nights)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(night_zones)) == len(with_nights)
        yield connection


def sunset_of(site: Site, evening: date) -> pd.Timestamp | None:
    """Return the sunset between noon of a date and the next noon on the local clock; None if there is none."""
    noons = [pd.Timestamp(evening + timedelta(days=day), tz=site.zone) + pd.DateOffset(hours=12) for day in (0, 1)]
    for day in (-1, 0, 1):
        try:
            moment = pd.Timestamp(
                sunset(Observer(site.latitude_deg, site.longitude_deg), evening + timedelta(days=day))
            )
        except ValueError:  # astral's, in the polar night
            continue
        if noons[0] <= moment < noons[1]:
            return moment
    return None


def with_nights(frame: pd.DataFrame) -> pd.DataFrame:
    """Add evening, local hour and hour since sunset, computed row by row from local times."""
    sunsets: dict[tuple[str, date], pd.Timestamp | None] = {}

    def of(row: pd.Series) -> tuple[date, int, float]:
        site = SITES[row.site]
        local = row.start.tz_convert(site.zone)
        evening = (local.tz_localize(None) - pd.Timedelta(hours=12)).date()
        if (row.site, evening) not in sunsets:
            sunsets[row.site, evening] = sunset_of(site, evening)
        moment = sunsets[row.site, evening]
        sun = float("nan")
        if moment is not None:
            sun = (row.start.floor("15min") - moment.round("15min")) / pd.Timedelta(hours=1) // 1
        return evening, (local.hour - 12) % 24, sun

    frame = frame.copy()
    frame[["evening", "clock", "sun"]] = [of(row) for _, row in frame.iterrows()]
    frame["start"] = pd.to_datetime(frame.start)
    return frame[(frame.evening >= FIRST) & (frame.evening <= LAST)]


@pytest.fixture(scope="module")
def expected(rows: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    calls, recorded = (with_nights(frame) for frame in rows)
    return calls, recorded[recorded.state == "analysed"]


def rates(grid: Grid) -> dict[tuple[str, int], float | None]:
    return {
        (row, column): None if (rate := cell.rate) is None else pytest.approx(rate)
        for row, cells in grid.rows.items()
        for column, cell in cells.items()
    }


def divided(
    calls: pd.DataFrame, recorded: pd.DataFrame, row: str, column: str, names: list[str], columns: list
) -> dict:
    hours = recorded.groupby([row, column] if row == "site" else [column]).seconds.sum() / 3_600
    counts = calls.groupby([row, column]).size()
    found = {}
    for name in names:
        for number in columns:
            h = hours.get((name, number) if row == "site" else number, 0)
            key = number.toordinal() if isinstance(number, date) else number
            found[name, key] = counts.get((name, number), 0) / h if h else None
    return found


DAYS = [FIRST + timedelta(days=day) for day in range(7)]


def test_rates_equal_calls_per_hour_analysed(connection, expected) -> None:  # noqa: ANN001
    calls, recorded = expected
    for chosen in (list(SITES), ["pond"], ["fen", "hill"]):
        sites = {name: SITES[name] for name in chosen}
        grid = heatmaps.species_by_night(connection, sites, FIRST, LAST)
        some = [frame[frame.site.isin(chosen)] for frame in expected]
        assert rates(grid) == divided(*some, "species", "evening", SPECIES, DAYS)

    by_sun, without_sunset = heatmaps.species_by_sunset_hour(connection, SITES, FIRST, LAST)
    assert rates(by_sun) == divided(*expected, "species", "sun", SPECIES, list(HourZero.SUNSET.hours))
    dark = recorded[recorded.sun.isna()]
    assert set(dark.site) == {"fjord"}
    assert without_sunset == dark.evening.nunique()

    # When daylight saving time ends, one local hour occurs twice.
    by_clock = heatmaps.species_by_clock_hour(connection, SITES, FIRST, LAST)
    assert rates(by_clock) == divided(*expected, "species", "clock", SPECIES, list(range(24)))

    for hours, column in (("species_by_clock_hour", "clock"), ("species_by_sunset_hour", "sun")):
        found = getattr(heatmaps, hours)(connection, SITES, FIRST, LAST, confirmed=True)
        grid = found[0] if isinstance(found, tuple) else found
        confirmed = calls[calls.confirmed]
        assert rates(grid) == divided(confirmed, recorded, "species", column, SPECIES, list(grid.columns))

    by_site = heatmaps.site_by_night(connection, SITES, FIRST, LAST, "Boana faber")
    one = calls[calls.species == "Boana faber"]
    assert rates(by_site) == divided(one, recorded, "site", "evening", sorted(SITES), DAYS)

    # A night without effort has no rate. A night with effort and without calls has the rate zero.
    pond = heatmaps.species_by_night(connection, {"pond": SITES["pond"]}, FIRST, LAST)
    unsampled, silent = (pond.rows["Boana faber"][date(2026, 10, day).toordinal()] for day in (24, 25))
    assert (unsampled, unsampled.rate) == (Cell(0, 0.0), None)
    assert (silent.calls, silent.rate) == (0, 0.0)
    assert silent.hours > 0


def test_empty_selection_gives_an_empty_grid(engine: Engine) -> None:
    with engine.connect() as connection:
        assert heatmaps.species_by_night(connection, {}, FIRST, LAST).rows == {}
        arctic = {"ice": Site(latitude_deg=80, longitude_deg=0)}
        grid, without_sunset = heatmaps.species_by_sunset_hour(connection, arctic, date(2026, 6, 1), date(2026, 6, 9))
        assert (grid.rows, without_sunset) == ({}, 0)
