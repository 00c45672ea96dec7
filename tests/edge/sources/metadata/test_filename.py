"""Time and position from a file name are right, or there are none."""

import csv
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.sources.metadata.filename import is_triggered, parse_file_name, recorder_prefix
from anura_edge.sources.metadata.resolve import Position, TimeEvidence


def start(stem: str) -> datetime | None:
    return parse_file_name(stem).start


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
        ("20070415051314.wav.trimmed", "2007-04-15T05:13:14"),
        ("671629352.181204100002", "2018-12-04T10:00:02"),
        ("short_time_180801_1630_test", "2018-08-01T16:30:00"),
        ("a_2359-31012015_blah", "2015-01-31T23:59:00"),
        ("OLONG-CH1_0+1_20171121$143444", "2017-11-21T14:34:44"),
        ("WOO_20170611_100000+1000", "2017-06-11T10:00:00+10:00"),
        ("20091219T070006+1000_00600", "2009-12-19T07:00:06+10:00"),
        ("weird20180801_240000-1030", "2018-08-02T00:00:00-10:30"),
        ("20151212_123456Z", "2015-12-12T12:34:56+00:00"),
        ("x_20100503-080000Z", "2010-05-03T08:00:00+00:00"),
        ("123_20131012_123456-09_456", "2013-10-12T12:34:56-09:00"),
        ("20161108T075126.123456-0430_SunriseToSunset", "2016-11-08T07:51:26.123456-04:30"),
        ("20091219T070006.789+1130_00600", "2009-12-19T07:00:06.789+11:30"),
        ("20210617T080000+0000_Rec2_-18.2656+144.5564", "2021-06-17T08:00:00+00:00"),
        ("201905 8T020000+1000_REC", "2019-05-08T02:00:00+10:00"),
        ("S20210205T035946676+1000_E2021", "2021-02-05T03:59:46.676+10:00"),
        ("2024-03-19-birdnet-09:48:32", "2024-03-19T09:48:32"),
        ("230501_213000", "2023-05-01T21:30:00"),
        ("pond_230501_213000_a", "2023-05-01T21:30:00"),
        ("2023-05-01_21-30-00", "2023-05-01T21:30:00"),
        ("2023_05_01_21_30_00", "2023-05-01T21:30:00"),
        ("2023-05-01T21:30:00.250+05:30", "2023-05-01T21:30:00.250+05:30"),
        ("2023-05-01 213000Z", "2023-05-01T21:30:00+00:00"),
        ("20230501 213000", "2023-05-01T21:30:00"),
        ("20230501_21-30-00.250", "2023-05-01T21:30:00.250"),
        ("20230501T21:30:00+02:00", "2023-05-01T21:30:00+02:00"),
        ("2023-05-01_09-30-00 PM", "2023-05-01T21:30:00"),
        ("2023-05-01_12-30-00 a.m.", "2023-05-01T00:30:00"),
        ("20230501_123000PM", "2023-05-01T12:30:00"),
        ("20230501_093000_AMBIENT", "2023-05-01T09:30:00"),
        ("230501-213000", "2023-05-01T21:30:00"),
        ("D230501T213000", "2023-05-01T21:30:00"),
        ("DM670123.230501213000", "2023-05-01T21:30:00"),
        ("5B07C752", "2018-05-25T08:20:34+00:00"),
        ("00000000", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_time_is_read_with_its_offset_or_as_local(stem: str, local: str) -> None:
    assert start(stem) == datetime.fromisoformat(local)


def test_dollar_marks_a_clock_set_by_gps() -> None:
    assert parse_file_name("OLONG-CH1_0+1_20171121$143444").gps_clock
    assert not parse_file_name("OLONG-CH1_0+1_20171121_143444").gps_clock


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "acoustic_study_00m",
        "123_20131012_123456-9_456",  # not a valid offset
        "20131012_123456.1234567-0900",
        "86f5923d-ef1d-4159-b120-a8dec3f6334e",
        "5AFCD4F45AFCD4F4",
        "prefix5AFCD4F4prefix",
        "20180801",  # a date, not a second of 1987
        "deadbeef",
        "facade00",
        "20190230_120000",
        "20190229_250000",
        "20191301_120000",
        "00010101_000000",
        "99991231_240000",
        "12345678_123456",
        "120190522_223000",
        "20190522_2230001",
        "SERIAL_123456_7890",
        "230501_0001",  # the first recording of a day, or one minute past midnight
        "01-05-2023_21-30-00",
        "a_2359-99012015_blah",
        "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in "20190522_223000"),
    ],
)
def test_ambiguous_name_has_no_time(stem: str) -> None:
    assert start(stem) is None


@given(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31)), st.integers(-14 * 60, 14 * 60))
def test_any_second_of_any_offset_is_read(moment: datetime, minutes: int) -> None:
    moment, zone = moment.replace(microsecond=0), timezone(timedelta(minutes=minutes))
    assert start(f"S4A_{moment:%Y%m%d_%H%M%S}") == moment
    hours = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    assert start(f"S4A_{moment:%Y%m%d_%H%M%S}{hours}") == moment.replace(tzinfo=zone)


@given(st.text(max_size=60) | st.from_regex(r"[A-Z]{0,3}\d{8}[_\-T$]\d{6}[Z+\-._\d]{0,8}", fullmatch=True))
def test_any_name_is_read(stem: str) -> None:
    assert isinstance(parse_file_name(stem), TimeEvidence)
    assert recorder_prefix(stem) in stem


@pytest.mark.parametrize(
    ("stem", "position"),
    [
        ("20180226_040000_Bar29 [27.2819 90.1361]", Position(27.2819, 90.1361)),
        ("20160823_063006_Dawn _-1.4763 178.8986_", Position(-1.4763, 178.8986)),
        ("20180226_040000Z_+40.1213-075.0015+2.79CRSWGS_84", Position(40.1213, -75.0015)),
        ("PILLIGA_20121204_234600_+13-090", Position(13, -90)),
        ("20180226_040000_[91.0 0.5]", None),
        ("20180226_040000_[0.0 0.0]", None),
        ("20180226_040000", None),
    ],
)
def test_position_is_on_earth_or_none(stem: str, position: Position | None) -> None:
    assert parse_file_name(stem).metadata.position == position


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("20240903_202615T", True), ("A_20240903_202615T", True), ("20240903_202615", False), ("FROG_T", False)],
)
def test_triggered_recording_is_known_by_its_name(stem: str, expected: bool) -> None:
    assert is_triggered(stem) == expected


@pytest.mark.parametrize(
    ("stem", "before"),
    [
        ("S4A03895_20190522_223000", "S4A03895"),
        ("SM301297_0+1_20170912_220000", "SM301297_0+1"),
        ("NW6-0009582_20131224_130100", "NW6-0009582"),
        ("20240903_202615T", ""),
        ("5B07C752", ""),
        ("frog", ""),
    ],
)
def test_prefix_names_the_recorder(stem: str, before: str) -> None:
    assert recorder_prefix(stem) == before


def test_real_names_are_read(data: Path) -> None:
    with (data / "recorders" / "filename_fixtures.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 50
    for row in rows:
        found = parse_file_name(row["Filename"].rpartition(".")[0])
        assert found.start == expected_time(row), row["Filename"]
        position = (row["ExpectedLatitude"], row["ExpectedLongitude"])
        assert found.metadata.position == (Position(*map(float, position)) if all(position) else None), row["Filename"]


def expected_time(row: dict[str, str]) -> datetime | None:
    date, _, clock = row["ExpectedDateTime"].partition("T")
    if not date:
        return None
    midnight = clock.startswith("24")
    moment = datetime.fromisoformat(f"{date}T{'00' + clock[2:] if midnight else clock}") + timedelta(days=midnight)
    offset = row["ExpectedTzOffset"]
    zone = datetime.strptime(offset, "%z").tzinfo if offset else None
    return moment.replace(tzinfo=UTC if offset == "+00:00" else zone)


@pytest.mark.parametrize(
    ("stem", "has_unread"),
    [
        ("frog 2023-05-01 at night", True),
        ("20230501", True),
        ("20230501_2130", True),
        ("01.05.2023 21.30", True),
        ("23-05-01_21-30-00", True),
        ("12-Jul-2023", True),
        ("July 12, 2023", True),
        ("2023_121_213000", True),
        ("1694623800", True),
        ("230501_0001", True),
        ("frog", False),
        ("S4A03895_20190522_223000", False),
        ("XC1234567 - Lithobates", False),
        ("mar01", False),
        ("86f5923d-ef1d-4159-b120-a8dec3f6334e", False),
    ],
)
def test_time_that_is_not_understood_is_noticed(stem: str, has_unread: bool) -> None:
    assert parse_file_name(stem).unread_time == has_unread
