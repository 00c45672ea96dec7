"""The log of a Song Meter is read line by line, with the column names of any firmware."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.sources.metadata.resolve import Position
from anura_edge.sources.metadata.song_meter_log import ReadingRange, StatusLog, read_summary

SM3 = (
    b"DATE,TIME,LAT,,LON,,STEP,POWER(V),TEMP(C),#FILES,#SCRUBBED,MIC0 TYPE,MIC0 TRIGGERS, MIC0 ZCFILES,MIC1 TYPE \n"
    b"2021-Sep-21,17:01:01,22.90000,S,47.06000,W, 0.000000,6.4,13.75,0,0,NA,0,0,NA\n"
    b"2021-Sep-21,17:02:03,22.90000,S,47.06000,W, 0.000000,6.0,-1.25,0,0,NA,0,0,NA\n"
)
SM4 = (
    b"DATE,TIME,LAT,,LON,,POWER(V),TEMP(C),#FILES,MIC0 TYPE,MIC1 TYPE\r\n"
    b"2021-Sep-21,17:01:01,22.90000,S,47.06000,W,6.4,13.75,0,NA,NA\r\n"
    b"2021-Sep-21,17:02:03,22.90000,S,47.06000,W,6.0,-1.25,0,NA,NA\r\n"
)
NEWER = (
    b"DATE,TIME,LAT,NS,LON,EW,POWER(V),TEMP(\xb0C),#FILES,#SCRUBBED\n"
    b"2021-Sep-21,17:01:01,22.90000,S,47.06000,W,6.4,13.75,0,0\n"
    b"2021-Sep-21,17:02:03,22.90000,S,47.06000,W,6.0,-1.25,0,0\n"
)
LOG = StatusLog(
    rows=2,
    first=datetime(2021, 9, 21, 17, 1, 1),
    last=datetime(2021, 9, 21, 17, 2, 3),
    power_ons=1,
    battery_v=ReadingRange(6.4, 6.0, 6.0, 6.4),
    temperature_c=ReadingRange(13.75, -1.25, -1.25, 13.75),
    position=Position(-22.9, -47.06),
)


def read(content: bytes) -> StatusLog | None:
    return read_summary(content.splitlines(keepends=True))


@pytest.mark.parametrize("content", [SM3, SM4, NEWER, SM4 + b"\n\x00garbage,\n2021-Okt-21,17:02:03,,\n"])
def test_columns_of_each_firmware_are_found(content: bytes) -> None:
    assert read(content) == LOG


def test_each_header_is_a_power_on() -> None:
    log = read(SM4 * 3)
    assert log
    assert (log.rows, log.power_ons) == (6, 3)


def test_position_at_zero_is_not_set() -> None:
    log = read(SM4.replace(b"22.90000", b"0.00000").replace(b"47.06000", b"0.00000"))
    assert log
    assert log.position is None


@pytest.mark.parametrize("content", [b"", b"DATE,TIME\n", b"2021-Sep-21,17:01:01\n", b"hello\n"])
def test_other_text_is_no_log(content: bytes) -> None:
    assert read(content) is None


CELLS = st.sampled_from([b"2021-Sep-21", b"17:01:01", b"999999999999999999999-Jan-1", b"06:00:00+00:00", b"6.4", b"S"])


@given(st.binary(max_size=300) | st.lists(CELLS, max_size=12).map(b",".join))
def test_any_line_is_read(line: bytes) -> None:
    log = read_summary([SM4.splitlines()[0], line])
    assert log is None or log.rows == 1
