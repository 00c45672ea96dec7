"""A time read from a file's name is right, or there is none; how it is known is said."""

import csv
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource
from anura_edge.sources.names import NamedTime, time_in_name

BRT = timezone(timedelta(hours=-3))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("stem", "local"),
    [
        ("S4A03895_20190522_223000", "2019-05-22T22:30:00"),
        ("INCT41_20201101_031500", "2020-11-01T03:15:00"),
        ("SM301297_0+1_20170912_220000", "2017-09-12T22:00:00"),
        ("NW6-0009582_20131224_130100", "2013-12-24T13:01:00"),
        ("20240903_202615", "2024-09-03T20:26:15"),
        ("20240903_202615T", "2024-09-03T20:26:15"),
        ("24F31901603710E1_20240903_202615", "2024-09-03T20:26:15"),
        ("20180226_040000_Bar29 [27.2819 90.1361]", "2018-02-26T04:00:00"),
        ("FNQ-RBS_20190102_044802_010", "2019-01-02T04:48:02.010"),
        ("weird20180801_240000", "2018-08-02T00:00:00"),
    ],
)
def test_a_local_time_takes_the_sites_offset_and_is_unknown_without_one(stem: str, local: str) -> None:
    assert time_in_name(stem, BRT) == NamedTime(utc(local) + timedelta(hours=3), ClockSource.RECORDER)
    assert time_in_name(stem, None) == NamedTime(utc(local), ClockSource.UNKNOWN)


@pytest.mark.parametrize(
    ("stem", "at"),
    [
        ("WOO_20170611_100000+1000", "2017-06-11T00:00:00"),
        ("20091219T070006+1000_00600", "2009-12-18T21:00:06"),
        ("weird20180801_240000-1030", "2018-08-02T10:30:00"),
        ("20151212_123456Z", "2015-12-12T12:34:56"),
        ("x_20100503-080000Z", "2010-05-03T08:00:00"),
        ("123_20131012_123456-09_456", "2013-10-12T21:34:56"),
        ("20161108T075126.123456-0430_SunriseToSunset", "2016-11-08T12:21:26.123456"),
        ("20091219T070006.789+1130_00600", "2009-12-18T19:30:06.789"),
        ("20210617T080000+0000_Rec2_-18.2656+144.5564", "2021-06-17T08:00:00"),
        ("5B07C752", "2018-05-25T08:20:34"),
    ],
)
def test_an_offset_in_the_name_goes_before_the_sites(stem: str, at: str) -> None:
    assert time_in_name(stem, BRT) == time_in_name(stem, None) == NamedTime(utc(at), ClockSource.RECORDER)


def test_a_dollar_marks_a_clock_set_by_gps() -> None:
    stem = "OLONG-CH1_0+1_20171121$143444"
    assert time_in_name(stem, BRT) == NamedTime(utc("2017-11-21T17:34:44"), ClockSource.GPS)
    assert time_in_name(stem, None) == NamedTime(utc("2017-11-21T14:34:44"), ClockSource.UNKNOWN)


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "acoustic_study_00m",
        "123_20131012_123456-9_456",  # no offset, but somebody meant one
        "20131012_123456.1234567-0900",
        "86f5923d-ef1d-4159-b120-a8dec3f6334e",
        "5AFCD4F45AFCD4F4",
        "prefix5AFCD4F4prefix",
        "20180801",  # a date, not a second of 1987
        "deadbeef",
        "facade00",
        "00000000",  # an AudioMoth whose clock was never set
        "20190230_120000",
        "20190229_250000",
        "20191301_120000",
        "00010101_000000",
        "99991231_240000",
        "12345678_123456",
        "120190522_223000",
        "20190522_2230001",
        "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in "20190522_223000"),
    ],
)
@pytest.mark.parametrize("zone", [None, BRT, timezone(timedelta(hours=14))])
def test_where_no_time_is_certain_there_is_none(stem: str, zone: timezone | None) -> None:
    assert time_in_name(stem, zone) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31)), st.integers(-14 * 60, 14 * 60))
def test_every_second_of_a_recorders_life_is_read_back(moment: datetime, minutes: int) -> None:
    moment, zone = moment.replace(microsecond=0), timezone(timedelta(minutes=minutes))
    wanted = NamedTime(moment.replace(tzinfo=zone).astimezone(UTC), ClockSource.RECORDER)
    assert time_in_name(f"S4A_{moment:%Y%m%d_%H%M%S}", zone) == wanted
    hours = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    assert time_in_name(f"S4A_{moment:%Y%m%d_%H%M%S}{hours}", BRT) == wanted


@given(st.text(max_size=60) | st.from_regex(r"[A-Z]{0,3}\d{8}[_\-T$]\d{6}[Z+\-._\d]{0,8}", fullmatch=True))
def test_any_name_at_all_gives_a_time_in_utc_or_none(stem: str) -> None:
    named = time_in_name(stem, timezone(timedelta(hours=14)))
    assert named is None or named.start_utc.tzinfo is UTC


def test_of_real_names_none_is_read_wrongly(data: Path) -> None:
    """None is an answer; another time than the fixture's is not."""
    read = expected = 0
    with (data / "recorders" / "filename_fixtures.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            named = time_in_name(Path(row["Filename"]).stem, BRT)
            expected += bool(row["ExpectedDateTime"])
            if named is None:
                continue
            assert row["ExpectedDateTime"], f"{row['Filename']} has no time"
            date, _, clock = row["ExpectedDateTime"].partition("T")
            midnight = clock.startswith("24")
            moment = datetime.fromisoformat(f"{date}T{'00' + clock[2:] if midnight else clock}")
            zone = datetime.strptime(row["ExpectedTzOffset"] or "-03:00", "%z").tzinfo
            assert named.start_utc == moment.replace(tzinfo=zone) + timedelta(days=midnight), row["Filename"]
            read += 1
    assert read >= 46, f"{read} of {expected} were read before"
