"""Sources of a start time have a fixed order, each disagreement is a warning, and no input crashes."""

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
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.metadata.audiomoth import read_comment, read_config
from anura_edge.sources.metadata.filename import parse_file_name
from anura_edge.sources.metadata.guano import read_guano
from anura_edge.sources.metadata.resolve import (
    FILE_NAME,
    Metadata,
    Position,
    ResolvedStart,
    TimeEvidence,
    doubt_future,
    parse_time,
    resolve_start,
)
from anura_edge.sources.metadata.wamd import read_wamd

MTIME = datetime(2026, 1, 1, tzinfo=UTC)
BRT = timezone(timedelta(hours=-3))
LOCAL = datetime(2019, 5, 22, 22, 30)
AS_UTC = datetime(2019, 5, 23, 1, 30, tzinfo=UTC)


def at(start: datetime | None, *, gps_clock: bool = False, **values: str) -> TimeEvidence:
    return TimeEvidence(start, gps_clock, Metadata(**values))


NO_EVIDENCE = TimeEvidence()


def clock(
    name: TimeEvidence = NO_EVIDENCE, header: TimeEvidence = NO_EVIDENCE, site_offset: timezone | None = None
) -> ResolvedStart:
    return resolve_start({FILE_NAME: name, "GUANO": header}, site_offset, MTIME)


def test_without_evidence_the_file_time_is_used() -> None:
    assert clock() == ResolvedStart(MTIME, ClockSource.FILE)


@pytest.mark.parametrize("where", ["name", "header"])
def test_local_time_takes_the_sites_offset_or_is_unknown(where: str) -> None:
    assert clock(**{where: at(LOCAL)}, site_offset=BRT) == ResolvedStart(AS_UTC, ClockSource.RECORDER)
    assert clock(**{where: at(LOCAL)}) == ResolvedStart(LOCAL.replace(tzinfo=UTC), ClockSource.UNKNOWN)


@pytest.mark.parametrize("where", ["name", "header"])
def test_offset_in_the_recording_overrides_the_sites(where: str) -> None:
    evidence = at(LOCAL.replace(tzinfo=BRT))
    assert (
        clock(**{where: evidence}, site_offset=BRT)
        == clock(**{where: evidence})
        == ResolvedStart(AS_UTC, ClockSource.RECORDER)
    )
    other = clock(**{where: evidence}, site_offset=timezone(timedelta(hours=-4)))
    assert (other.start_utc, other.clock_source, len(other.warnings)) == (AS_UTC, ClockSource.RECORDER, 1)
    assert "-04:00" in other.warnings[0]


def test_header_in_utc_contradicts_another_offset_of_the_site_and_a_hexadecimal_name_does_not() -> None:
    in_utc = at(LOCAL.replace(tzinfo=UTC))
    assert "says UTC, the settings say UTC-03:00" in clock(header=in_utc, site_offset=BRT).warnings[0]
    assert "says UTC" in clock(parse_file_name("20190522_223000Z"), site_offset=BRT).warnings[0]
    assert not clock(parse_file_name("5CE5CDD8"), site_offset=BRT).warnings
    assert not clock(header=in_utc, site_offset=UTC).warnings


def test_name_takes_its_offset_from_the_header() -> None:
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
def test_stronger_source_is_used_and_the_other_named(
    stronger: tuple[str, TimeEvidence], weaker: tuple[str, TimeEvidence]
) -> None:
    assert weaker[1].start
    off = at(weaker[1].start + timedelta(minutes=7), gps_clock=weaker[1].gps_clock)
    resolved = clock(**{stronger[0]: stronger[1], weaker[0]: off}, site_offset=BRT)
    assert resolved.start_utc == AS_UTC
    assert len(resolved.warnings) == 1
    assert "22:37" in resolved.warnings[0]


def test_audiomoth_header_error_of_one_hour_is_corrected() -> None:
    """OAD004: firmware 1.2.2, zones with minutes; the name is right."""
    site_offset = timezone(timedelta(hours=9, minutes=30))
    comment = at(LOCAL.replace(tzinfo=site_offset) + timedelta(hours=1), model="AudioMoth")
    resolved = clock(at(LOCAL), comment)
    assert resolved.start_utc == LOCAL.replace(tzinfo=site_offset)
    assert resolved.clock_source == ClockSource.RECORDER
    assert "23:30" in resolved.warnings[0]
    whole_hours = at((LOCAL + timedelta(hours=1)).replace(tzinfo=BRT), model="AudioMoth")
    assert clock(at(LOCAL), whole_hours).start_utc == AS_UTC + timedelta(hours=1)


@pytest.mark.parametrize("stem", ["00000000", "EMER_20000101_000553", "19700101_000000"])
def test_clock_that_was_never_set_is_unknown(stem: str) -> None:
    resolved = clock(parse_file_name(stem), site_offset=BRT)
    assert resolved.clock_source == ClockSource.UNKNOWN
    assert "was never set" in resolved.warnings[0]


@given(
    st.datetimes() | st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))) | st.none(),
    st.datetimes() | st.datetimes(timezones=st.just(timezone(-timedelta(hours=14)))) | st.none(),
    st.sampled_from([None, BRT]),
)
def test_any_times_are_resolved_in_utc(name: datetime | None, header: datetime | None, site_offset: timezone) -> None:
    assert clock(at(name), at(header), site_offset).start_utc.tzinfo is UTC


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
def test_timestamp_is_read_in_each_format(text: str, moment: str) -> None:
    assert parse_time(text) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "now", "2024-13-01 00:00:00", "2024-01-01", "2024-01-01 00:00:00+99:00"])
def test_invalid_timestamp_is_none(text: str) -> None:
    assert parse_time(text) is None


def test_fact_is_from_the_first_source_that_has_it() -> None:
    one, other = Metadata(model="SM4", position=Position(1, 2)), Metadata(model="SM3", serial="7")
    assert Metadata.merge([one, other]) == Metadata(model="SM4", serial="7", position=Position(1, 2))


def body(chunk: bytes) -> bytes:
    return chunk[8:]


def test_wamd_chunk_has_start_and_metadata() -> None:
    found = read_wamd(body(wamd()))
    assert found.start == LOCAL.replace(tzinfo=BRT)
    assert found.metadata == Metadata(
        model="SM4",
        serial="S4A04894",
        firmware="2.1.1",
        temperature_c=12.3,
        position=Position(-22.9, -47.06),
    )


def test_wamd_chunk_of_another_version_is_ignored() -> None:
    assert read_wamd(body(wamd(p0000=b"\x02\x00"))) == TimeEvidence()
    assert read_wamd(body(wamd())[8:]) == TimeEvidence()


def test_wamd_position_without_letters_is_ignored() -> None:
    assert read_wamd(body(wamd(p0006=b"WGS84,50.7179417,1.76111,51.2"))).metadata.position is None
    assert read_wamd(body(wamd(p0006=b"?", p0014=b"WGS84,1.5,N,2.5,E,30"))).metadata.position == Position(1.5, 2.5)


def test_voice_note_is_skipped() -> None:
    note = {"p000D": b"RIFF" + bytes(100_000), "p0017": b"80.2%RH"}
    assert read_wamd(body(wamd(**note))) == read_wamd(body(wamd()))


def test_invalid_guano_lines_are_skipped() -> None:
    text = guano(Serial="S4A04894", Temperature_Int="19.3", Loc_Position="-22.9 -47.06", Note="a: b")
    text += b"a line without a colon\n:\nFirmware Version:  2.1.1\0\nSerial: another\nOAD|Battery Voltage:4.2"
    found = read_guano(body(text))
    assert found.start == LOCAL.replace(tzinfo=BRT)
    assert found.metadata == Metadata(
        model="SM4",
        serial="S4A04894",
        firmware="2.1.1",
        battery_v=4.2,
        temperature_c=19.3,
        position=Position(-22.9, -47.06),
    )


@pytest.mark.parametrize("value", ["", "here", "1", "1 nan", "inf 2", "91 0", "0 0", "1e999 3"])
def test_invalid_position_is_ignored(value: str) -> None:
    assert read_guano(body(guano(Loc_Position=value))).metadata.position is None


COMMENT = "Recorded at 20:26:15 03/09/2024 (UTC{}) by AudioMoth 24E144055E080032 at "
MOTH = Metadata(model="AudioMoth", serial="24E144055E080032")


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [("", 0), ("+1", 60), ("-3", -180), ("+10:30", 630), ("-3:30", -210), ("+5:45", 345), ("+14", 840)],
)
def test_audiomoth_offset_is_read(offset: str, minutes: int) -> None:
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
def test_each_audiomoth_sentence_is_read(sentences: str, facts: dict[str, object]) -> None:
    found = read_comment(body(info(COMMENT.format("+1") + sentences))).metadata
    assert (found.model, found.serial) == (MOTH.model, MOTH.serial)
    assert {name: getattr(found, name) for name in facts} == facts


def test_audiomoth_deployment_and_external_microphone_are_read() -> None:
    text = "Recorded at 20:26:15 03/09/2024 (UTC) during deployment 0123456789ABCDEF using external microphone at"
    found = read_comment(body(info(f"{text} high gain while battery was 4.9V.")))
    assert (found.start, found.metadata.gain) == (datetime(2024, 9, 3, 20, 26, 15, tzinfo=UTC), "high gain")


def test_comment_of_another_program_is_ignored() -> None:
    assert read_comment(body(info("Recorded with love"))) == TimeEvidence()
    assert read_comment(body(info("Recorded at 99:26:15 03/09/2024 (UTC)"))).start is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read(chunk: bytes) -> None:
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
def test_real_recordings_have_their_metadata(data: Path, file: str, facts: tuple[object, ...]) -> None:
    sound = open_file(data / "recorders" / file, file)
    m = sound.metadata
    assert sound.recording.start_utc == datetime.fromisoformat(str(facts[0])).replace(tzinfo=UTC)
    assert (m.model, m.serial, m.gain, m.battery_v, m.temperature_c, m.position)[: len(facts) - 1] == facts[1:]
    has_offset = file.startswith(("audiomoth", "echometer"))
    assert sound.recording.clock_source == (ClockSource.RECORDER if has_offset else ClockSource.UNKNOWN)


def test_time_to_come_is_not_known() -> None:
    """Unless this machine's own clock was never set."""
    now = datetime(2026, 12, 1, tzinfo=UTC)
    honest, future = (ResolvedStart(now + timedelta(days=days), ClockSource.RECORDER) for days in (0.9, 1.1))
    assert doubt_future(honest, now) == honest
    doubted = doubt_future(future, now)
    assert (doubted.start_utc, doubted.clock_source) == (future.start_utc, ClockSource.UNKNOWN)
    assert "still to come" in doubted.warnings[0]
    assert doubt_future(future, datetime(1970, 1, 1, tzinfo=UTC)) == future


def test_real_recordings_have_no_warnings(data: Path) -> None:
    for path in sorted((data / "recorders").iterdir()):
        with suppress(UnreadableError):
            assert not open_file(path, path.name).recording.warnings, path.name
