"""Witnesses are believed in a known order, none is believed silently, and none can lead into a crash."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waves import guano, info, wamd

from anura_edge.audio import ClockSource
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import open_file
from anura_edge.sources.metadata.audiomoth import read_comment, read_config
from anura_edge.sources.metadata.filename import parse_file_name
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import (
    FILE_NAME,
    Metadata,
    Position,
    ResolvedStart,
    TimeEvidence,
    parse_time,
    resolve_start,
)
from anura_edge.sources.metadata.wamd import read_wamd

MTIME = datetime(2026, 1, 1, tzinfo=UTC)
BRT = timezone(timedelta(hours=-3))
LOCAL = datetime(2019, 5, 22, 22, 30)
AS_UTC = datetime(2019, 5, 23, 1, 30, tzinfo=UTC)


def at(start: datetime | None, *, gps_clock: bool = False, **about: str) -> TimeEvidence:
    return TimeEvidence(start, gps_clock, Metadata(**about))


NO_EVIDENCE = TimeEvidence()


def clock(
    name: TimeEvidence = NO_EVIDENCE, header: TimeEvidence = NO_EVIDENCE, zone: timezone | None = None
) -> ResolvedStart:
    return resolve_start({FILE_NAME: name, "GUANO": header}, zone, MTIME)


def test_without_any_witness_the_files_own_time_must_do() -> None:
    assert clock() == ResolvedStart(MTIME, ClockSource.FILE)


@pytest.mark.parametrize("where", ["name", "header"])
def test_a_local_time_takes_the_sites_offset_and_is_unknown_without_one(where: str) -> None:
    assert clock(**{where: at(LOCAL)}, zone=BRT) == ResolvedStart(AS_UTC, ClockSource.RECORDER)
    assert clock(**{where: at(LOCAL)}) == ResolvedStart(LOCAL.replace(tzinfo=UTC), ClockSource.UNKNOWN)


@pytest.mark.parametrize("where", ["name", "header"])
def test_an_offset_in_the_recording_goes_before_the_sites_and_the_difference_is_told(where: str) -> None:
    there = at(LOCAL.replace(tzinfo=BRT))
    assert clock(**{where: there}, zone=BRT) == clock(**{where: there}) == ResolvedStart(AS_UTC, ClockSource.RECORDER)
    other = clock(**{where: there}, zone=timezone(timedelta(hours=-4)))
    assert (other.start_utc, other.clock_source, len(other.warnings)) == (AS_UTC, ClockSource.RECORDER, 1)
    assert "-04:00" in other.warnings[0]


def test_a_name_takes_its_offset_from_the_header() -> None:
    assert clock(at(LOCAL), at(LOCAL.replace(tzinfo=BRT))) == ResolvedStart(AS_UTC, ClockSource.RECORDER)
    gps = clock(at(LOCAL, gps_clock=True), at(LOCAL.replace(tzinfo=BRT)))
    assert gps == ResolvedStart(AS_UTC, ClockSource.GPS)


def test_times_within_two_seconds_agree() -> None:
    assert not clock(at(LOCAL), at(LOCAL + timedelta(seconds=2))).warnings
    assert clock(at(LOCAL), at(LOCAL + timedelta(seconds=3))).warnings


ORDER = [
    ("name", at(LOCAL, gps_clock=True)),
    ("header", at(LOCAL.replace(tzinfo=BRT))),
    ("name", at(LOCAL)),
    ("header", at(LOCAL)),
]


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [(a, b) for (i, a), (j, b) in product(enumerate(ORDER), enumerate(ORDER)) if i < j and a[0] != b[0]],
)
def test_the_stronger_witness_is_believed_and_the_other_named(
    stronger: tuple[str, TimeEvidence], weaker: tuple[str, TimeEvidence]
) -> None:
    assert weaker[1].start
    off = at(weaker[1].start + timedelta(minutes=7), gps_clock=weaker[1].gps_clock)
    settled = clock(**{stronger[0]: stronger[1], weaker[0]: off}, zone=BRT)
    assert settled.start_utc == AS_UTC
    assert len(settled.warnings) == 1
    assert "22:37" in settled.warnings[0]


def test_an_audiomoth_that_is_an_hour_off_in_its_header_is_known() -> None:
    """OAD004: firmware 1.2.2, zones with minutes; the name is right."""
    zone = timezone(timedelta(hours=9, minutes=30))
    comment = at(LOCAL.replace(tzinfo=zone) + timedelta(hours=1), model="AudioMoth")
    settled = clock(at(LOCAL), comment)
    assert settled.start_utc == LOCAL.replace(tzinfo=zone)
    assert settled.clock_source == ClockSource.RECORDER
    assert "23:30" in settled.warnings[0]
    whole_hours = at((LOCAL + timedelta(hours=1)).replace(tzinfo=BRT), model="AudioMoth")
    assert clock(at(LOCAL), whole_hours).start_utc == AS_UTC + timedelta(hours=1)


@pytest.mark.parametrize("stem", ["00000000", "EMER_20000101_000553", "19700101_000000"])
def test_a_clock_that_nobody_set_is_not_believed(stem: str) -> None:
    settled = clock(parse_file_name(stem), zone=BRT)
    assert settled.clock_source == ClockSource.UNKNOWN
    assert "nobody set" in settled.warnings[0]


@given(
    st.datetimes() | st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))) | st.none(),
    st.datetimes() | st.datetimes(timezones=st.just(timezone(-timedelta(hours=14)))) | st.none(),
    st.sampled_from([None, BRT]),
)
def test_any_times_at_all_are_settled_in_utc(name: datetime | None, header: datetime | None, zone: timezone) -> None:
    assert clock(at(name), at(header), zone).start_utc.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-09-03T20:26:15+01:00", "2024-09-03T20:26:15+01:00"),
        (" 2022-08-15 21:34:14+0100", "2022-08-15T21:34:14+01:00"),
        ("2019-05-22 22:30:00.125-03:30", "2019-05-22T22:30:00.125-03:30"),
        ("2019-05-22 22:30:00Z", "2019-05-22T22:30:00+00:00"),
        ("2024-05-31T22:39:11", "2024-05-31T22:39:11"),
    ],
)
def test_a_timestamp_is_read_in_every_spelling(text: str, moment: str) -> None:
    assert parse_time(text) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "now", "2024-13-01 00:00:00", "2024-01-01", "2024-01-01 00:00:00+99:00"])
def test_what_is_no_timestamp_is_none(text: str) -> None:
    assert parse_time(text) is None


def test_each_fact_comes_from_the_first_witness_that_knows_it() -> None:
    one, other = Metadata(model="SM4", position=Position(1, 2)), Metadata(model="SM3", serial="7")
    assert Metadata.of([one, other]) == Metadata(model="SM4", serial="7", position=Position(1, 2))


def body(chunk: bytes) -> bytes:
    return chunk[8:]


def test_a_song_meter_says_who_when_and_where() -> None:
    witness = read_wamd(body(wamd()))
    assert witness.start == LOCAL.replace(tzinfo=BRT)
    assert witness.about == Metadata(
        model="SM4",
        serial="S4A04894",
        firmware="2.1.1",
        temperature_c=12.3,
        position=Position(-22.9, -47.06),
    )


def test_a_wamd_chunk_of_another_version_says_nothing() -> None:
    assert read_wamd(body(wamd(p0000=b"\x02\x00"))) == TimeEvidence()
    assert read_wamd(body(wamd())[8:]) == TimeEvidence()


def test_a_position_without_letters_has_lost_its_sign_and_is_not_believed() -> None:
    assert read_wamd(body(wamd(p0006=b"WGS84,50.7179417,1.76111,51.2"))).about.position is None
    assert read_wamd(body(wamd(p0006=b"?", p0014=b"WGS84,1.5,N,2.5,E,30"))).about.position == Position(1.5, 2.5)


def test_a_voice_note_is_passed_over() -> None:
    note = {"p000D": b"RIFF" + bytes(100_000), "p0017": b"80.2%RH"}
    assert read_wamd(body(wamd(**note))) == read_wamd(body(wamd()))


def test_guano_is_read_where_it_can_be_and_the_rest_left_out() -> None:
    text = guano(Serial="S4A04894", Temperature_Int="19.3", Loc_Position="-22.9 -47.06", Note="a: b")
    text += b"a line without a colon\n:\nFirmware Version:  2.1.1\0\nSerial: another\nOAD|Battery Voltage:4.2"
    witness = read_guano(body(text))
    assert witness.start == LOCAL.replace(tzinfo=BRT)
    assert witness.about == Metadata(
        model="SM4",
        serial="S4A04894",
        firmware="2.1.1",
        battery_v=4.2,
        temperature_c=19.3,
        position=Position(-22.9, -47.06),
    )


@pytest.mark.parametrize("value", ["", "here", "1", "1 nan", "inf 2", "91 0", "0 0", "1e999 3"])
def test_a_place_that_is_none_is_left_out(value: str) -> None:
    assert read_guano(body(guano(Loc_Position=value))).about.position is None


COMMENT = "Recorded at 20:26:15 03/09/2024 (UTC{}) by AudioMoth 24E144055E080032 at "
MOTH = Metadata(model="AudioMoth", serial="24E144055E080032")


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [("", 0), ("+1", 60), ("-3", -180), ("+10:30", 630), ("-3:30", -210), ("+5:45", 345), ("+14", 840)],
)
def test_an_audiomoths_offset_is_read(offset: str, minutes: int) -> None:
    start = read_comment(body(info(COMMENT.format(offset) + "medium gain while battery was 4.2V."))).start
    assert start == datetime(2024, 9, 3, 20, 26, 15, tzinfo=timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    ("sentences", "facts"),
    [
        (
            "medium gain while battery was 4.2V and temperature was 19.3C. High-pass filter with frequency of 15.0kHz"
            " applied. Amplitude threshold was 4% with 5s minimum trigger duration.",
            {"gain": "medium gain", "battery_v": 4.2, "temperature_c": 19.3},
        ),
        ("gain setting 2 while battery state was 4.3V", {"gain": "gain setting 2", "battery_v": 4.3}),
        ("low-medium gain while battery was less than 2.5V and temperature was -3.1C.", {"temperature_c": -3.1}),
        ("high gain while battery was greater than 4.9V", {"battery_v": 4.9}),
        (
            "medium gain while battery was 3.0V. Recording stopped due to SD card write error.",
            {"stopped_by": "SD card write error"},
        ),
        (
            "medium gain while battery was 3.0V. Recording stopped by magnetic switch.",
            {"stopped_by": "magnetic switch"},
        ),
        (
            "medium gain while battery was 3.0V. Recording cancelled before completion due to low voltage.",
            {"stopped_by": "low voltage"},
        ),
    ],
)
def test_every_wording_of_an_audiomoth_is_understood(sentences: str, facts: dict[str, object]) -> None:
    found = read_comment(body(info(COMMENT.format("+1") + sentences))).about
    assert (found.model, found.serial) == (MOTH.model, MOTH.serial)
    assert {name: getattr(found, name) for name in facts} == facts


def test_an_audiomoth_on_deployment_or_with_another_microphone_is_understood() -> None:
    text = "Recorded at 20:26:15 03/09/2024 (UTC) during deployment 0123456789ABCDEF using external microphone at"
    found = read_comment(body(info(f"{text} high gain while battery was 4.9V.")))
    assert (found.start, found.about.gain) == (datetime(2024, 9, 3, 20, 26, 15, tzinfo=UTC), "high gain")


def test_a_comment_that_no_audiomoth_wrote_says_nothing() -> None:
    assert read_comment(body(info("Recorded with love"))) == TimeEvidence()
    assert read_comment(body(info("Recorded at 99:26:15 03/09/2024 (UTC)"))).start is None


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_read(chunk: bytes) -> None:
    assert read_config(chunk) is None or b"Device ID" in chunk
    for read in (read_wamd, read_guano, read_comment):
        assert isinstance(read(chunk), TimeEvidence)
        assert isinstance(read(b"\0\0\2\0\0\0\1\0" + chunk), TimeEvidence)
        assert isinstance(read(b"INFO" + chunk), TimeEvidence)


@pytest.mark.parametrize(
    ("file", "facts"),
    [
        (
            "audiomoth_1.10_guano.wav",
            ("2024-09-03T19:26:15", "AudioMoth", "24E144055E080032", "medium gain", 4.2, 19.3, None),
        ),
        ("audiomoth_icmt_1min.wav", ("2018-05-04T09:32:00", "AudioMoth", "0FE081F80FE081F0", "gain setting 2", 4.3)),
        ("audiomoth_icmt_gain2.wav", ("2020-04-04T10:25:00", "AudioMoth", "24526B065D325963", "gain setting 2", 4.7)),
        ("audiomoth_utc+8.wav", ("2022-09-20T14:08:00", "AudioMoth", "24E1440360379295", "low gain", 3.6, 32.6)),
        (
            "echometer_guan_wamd.wav",
            (
                "2022-08-15T20:34:14",
                "Echo Meter Touch 2 Standard Android",
                None,
                None,
                None,
                None,
                Position(50.7179417, -1.7611083),
            ),
        ),
        ("songmeter_smm-u1_guano.wav", ("2019-08-06T23:07:49", "SMM-U1")),
        (
            "batlogger_guano.wav",
            ("2024-05-31T22:39:11", "S2", "22060166", None, None, None, Position(49.093119, 5.047867)),
        ),
    ],
)
def test_real_recordings_say_what_they_say(data: Path, file: str, facts: tuple[object, ...]) -> None:
    sound = open_file(data / "recorders" / file, file)
    m = sound.metadata
    assert sound.recording.start_utc == datetime.fromisoformat(str(facts[0])).replace(tzinfo=UTC)
    assert (m.model, m.serial, m.gain, m.battery_v, m.temperature_c, m.position)[: len(facts) - 1] == facts[1:]
    has_offset = file.startswith(("audiomoth", "echometer"))
    assert sound.recording.clock_source == (ClockSource.RECORDER if has_offset else ClockSource.UNKNOWN)


def test_no_real_recording_contradicts_itself(data: Path) -> None:
    for path in sorted((data / "recorders").iterdir()):
        with suppress(UnreadableError):
            assert not open_file(path, path.name).recording.warnings, path.name
