"""What a header says is read right or not at all, and a time that is not known is not told as known."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from waves import chunk, fmt, guano, info, noise, pcm16, riff, wamd

from anura_edge.audio import ClockSource
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import Position
from anura_edge.sources.metadata.text import first_number

DATA = chunk(b"data", pcm16(noise(24_000)))
EAST = timezone(timedelta(hours=10))


def open_wav(folder: Path, *chunks: bytes, name: str = "frog.wav", mtime: float = 1_700_000_000) -> AudioFile:
    path = folder / name
    path.write_bytes(riff(fmt(), *chunks, DATA))
    os.utime(path, (mtime, mtime))
    return open_file(path, name, EAST)


def test_file_time_is_the_end_of_a_recording(tmp_path: Path) -> None:
    facts = open_wav(tmp_path).recording
    assert (facts.start_utc.timestamp(), facts.clock_source) == (1_700_000_000 - 3, ClockSource.FILE)
    assert facts.warnings == ()


@pytest.mark.parametrize("mtime", [315_532_800, 0, 946_684_800])
def test_file_time_of_a_clock_that_was_never_set_is_unknown(tmp_path: Path, mtime: float) -> None:
    facts = open_wav(tmp_path, mtime=mtime).recording
    assert facts.clock_source == ClockSource.UNKNOWN
    assert ["never set" in warning for warning in facts.warnings] == [True]


def test_time_in_a_name_that_is_not_understood_is_told(tmp_path: Path) -> None:
    facts = open_wav(tmp_path, name="frog 2023-05-01 at night.wav").recording
    assert facts.clock_source == ClockSource.UNKNOWN
    assert ["the name" in warning and "not understood" in warning for warning in facts.warnings] == [True]


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (guano(Timestamp="19.03.2024 09:48:32"), "GUANO"),
        (guano(Timestamp="2024-03-19 09:48:32 PM"), "GUANO"),
        (guano(Timestamp="2024-03-19T09:48"), "GUANO"),
        (guano(Timestamp="12024-03-19 09:48:32"), "GUANO"),
        (guano(Timestamp="2024-03-19 09:48:32+10:00:30"), "GUANO"),
        (wamd(p0005=b"2019-05-22 22:30"), "wamd"),
        (info("Recorded at 10:30 pm on 22/05/2019 (UTC) by AudioMoth 24E144055E080032"), "comment"),
    ],
)
def test_time_in_a_header_that_is_not_understood_is_told(tmp_path: Path, header: bytes, source: str) -> None:
    """It is not read in part, and the time of the file is not known against it."""
    facts = open_wav(tmp_path, header).recording
    assert facts.clock_source == ClockSource.UNKNOWN
    assert [source in warning and "not understood" in warning for warning in facts.warnings] == [True]
    named = open_wav(tmp_path, header, name="20190522_223000.wav").recording
    assert (named.clock_source, named.warnings) == (ClockSource.RECORDER, ())


@pytest.mark.parametrize(
    "header", [wamd(p0005=b"2019-05-22 22:30:00-00:00"), guano(Timestamp="2019-05-22T22:30:00-00:00")]
)
def test_offset_of_minus_zero_is_not_known(tmp_path: Path, header: bytes) -> None:
    """RFC 3339: the time is UTC, but the offset of the place is not known. Recorders write it for local time."""
    facts = open_wav(tmp_path, header).recording
    assert facts.start_utc == datetime(2019, 5, 22, 22, 30, tzinfo=EAST)
    assert open_file(tmp_path / "frog.wav", "frog").recording.clock_source == ClockSource.UNKNOWN


def bext(date: bytes, time: bytes) -> bytes:
    return chunk(b"bext", bytes(320) + date.ljust(10, b"\0") + time.ljust(8, b"\0") + bytes(264))


def test_broadcast_wave_gives_the_time(tmp_path: Path) -> None:
    facts = open_wav(tmp_path, bext(b"2019-05-22", b"22:30:00")).recording
    assert (facts.start_utc, facts.clock_source) == (datetime(2019, 5, 22, 12, 30, tzinfo=UTC), ClockSource.RECORDER)
    assert open_wav(tmp_path, bext(b"2019:05:22", b"22-30-00")).recording.start_utc == facts.start_utc


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (b"", ClockSource.FILE),
        (b"0000-00-00", ClockSource.FILE),
        (b"\xff" * 10, ClockSource.FILE),
        (b"2019-02-30", ClockSource.UNKNOWN),
        (b"22/05/2019", ClockSource.UNKNOWN),
    ],
)
def test_broadcast_wave_without_a_time_gives_none(tmp_path: Path, date: bytes, expected: ClockSource) -> None:
    assert open_wav(tmp_path, bext(date, b"22:30:00")).recording.clock_source == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("51.41691 -0.0671", Position(51.41691, -0.0671)),
        ("51,41691 -0,0671", Position(51.41691, -0.0671)),
        ("51.41691N 0.0671W", Position(51.41691, -0.0671)),
        ("33.5 S 151.2 E", Position(-33.5, 151.2)),
        ("51.4, -0.1", Position(51.4, -0.1)),
        ("51.4.1 -0.1", None),
        ("51.4", None),
        ("51,41691,-0,0671", None),
        ("51.4 -0.1x", None),
        ("-33.5 S 151.2 E", None),
        ("33.5 s 151.2 w", Position(-33.5, -151.2)),
    ],
)
def test_position_is_read_right_or_not_at_all(text: str, expected: Position | None) -> None:
    assert read_guano(guano(Loc_Position=text)[8:]).metadata.position == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4,2V", 4.2), ("4.2", 4.2), ("4.2.1", None), ("1e5", None), ("45.2,45.2", None), ("12", 12), ("-3,5C", -3.5)],
)
def test_number_is_read_right_or_not_at_all(text: str, expected: float | None) -> None:
    assert first_number(text) == expected


@pytest.mark.parametrize(
    ("header", "rate_hz"),
    [
        (guano(TE="10"), 80_000),
        (wamd(p000F=b"\x0a\x00"), 80_000),
        (guano(TE="1"), 8_000),
        (guano(TE="1000"), 8_000),
        (guano(TE="x"), 8_000),
    ],
)
def test_time_expansion_gives_the_rate_of_the_sound(tmp_path: Path, header: bytes, rate_hz: int) -> None:
    file = open_wav(tmp_path, header)
    assert file.recording.rate_hz == rate_hz
    assert any("time expansion" in warning for warning in file.recording.warnings) == (rate_hz != 8_000)
    assert sum(len(part.samples) for part in file.chunks()) == 24_000
    assert np.isclose(file.samples / rate_hz, 24_000 / rate_hz)
