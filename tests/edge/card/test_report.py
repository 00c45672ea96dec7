"""The report of a card is correct for good and damaged files, and needs little memory."""

import json
import math
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from broken_cards import CARDS, FILES, SECONDS, BrokenFile, short
from waves import chunk, fmt, guano, noise, pcm16, riff

from anura_edge.audio import ClockSource
from anura_edge.card.report import CardReport, summarise_card
from anura_edge.card.survey import CardFile, survey_card
from anura_edge.card.text import card_json, card_text
from anura_edge.errors import SourceError, UnreadableError
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.metadata.audiomoth import AudioMothConfig
from anura_edge.sources.metadata.resolve import Position

BRT = timezone(timedelta(hours=-3))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def inspect(folder: Path) -> tuple[CardReport, list[CardFile]]:
    """Inspect a card, and check that its text is printable and its JSON valid."""
    files = list(survey_card(folder, BRT))
    card = summarise_card(files, NOW)
    text = card_text(card, files)
    assert text.replace("\n", "").isprintable()
    for line in card_json(card, files):
        json.loads(line)
    return card, files


@pytest.mark.parametrize("broken", FILES.values(), ids=FILES.keys())
def test_broken_file_has_its_state(tmp_path: Path, broken: BrokenFile) -> None:
    (tmp_path / broken.name).write_bytes(broken.content)
    card, (file,) = inspect(tmp_path)
    assert (file.state, file.seconds, file.missing_s) == (broken.state, broken.seconds, broken.missing_s), file.detail
    assert broken.warning in "; ".join(file.warnings)
    assert bool(file.warnings) == bool(broken.warning)
    assert card.unreadable == (broken.state not in ("whole", "recovered"))


@pytest.mark.parametrize("broken", FILES.values(), ids=FILES.keys())
def test_broken_file_is_read_up_to_the_damage(tmp_path: Path, broken: BrokenFile) -> None:
    path = tmp_path / broken.name
    path.write_bytes(broken.content)
    seconds, reason = 0.0, None
    try:
        sound = open_file(path, broken.name)
        for part in sound.chunks():
            seconds += len(part.samples) / sound.recording.rate_hz
    except UnreadableError as error:
        reason = error.reason
    assert seconds == (SECONDS if broken.name.endswith("flac") else broken.seconds)
    assert reason == (None if broken.state in ("whole", "recovered") else broken.state)


@pytest.mark.parametrize("broken", FILES.values(), ids=FILES.keys())
def test_broken_file_takes_little_memory(tmp_path: Path, broken: BrokenFile) -> None:
    (tmp_path / broken.name).write_bytes(broken.content)
    tracemalloc.start()
    list(survey_card(tmp_path, BRT))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


@pytest.fixture
def inspected(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[CardReport, list[CardFile]]:
    CARDS[request.param](tmp_path)
    return inspect(tmp_path)


def on(card: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("inspected", [card], indirect=True)


def test_at_least_sixty_broken_cases_exist() -> None:
    assert len(FILES) + len(CARDS) >= 60


@on("good")
def test_good_card_has_no_findings(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, files = inspected
    (recorder,) = card.recorders
    assert (card.audio_files, card.seconds, card.unreadable, card.duplicates) == (12, 24, 0, {})
    assert (recorder.name, recorder.interval_s, recorder.clock_sources) == ("S4A03895", 900, (ClockSource.RECORDER,))
    assert recorder.first_utc == datetime(2019, 5, 22, 21, tzinfo=UTC)
    assert recorder.last_utc == datetime(2019, 5, 22, 23, 45, 2, tzinfo=UTC)
    assert (recorder.gaps, recorder.overlaps, recorder.clock_faults) == ((), (), ())
    assert "!" not in card_text(card, files)


@pytest.mark.parametrize(
    ("inspected", "states"),
    [
        ("wa001", {"whole": 8, "empty": 4}),
        ("wa002", {"whole": 8, "nul_filled": 4}),
        ("wa004", {"whole": 10, "no_header": 2}),
    ],
    indirect=["inspected"],
)
def test_broken_file_is_no_gap(inspected: tuple[CardReport, list[CardFile]], states: dict[str, int]) -> None:
    card, _ = inspected
    assert card.states == states
    assert card.recorders[0].interval_s == 900
    assert not card.recorders[0].gaps


@on("wa003")
def test_overlapping_recordings_are_reported(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, files = inspected
    (recorder,) = card.recorders
    assert [overlap.seconds for overlap in recorder.overlaps] == [2.5] * 5
    assert not card.duplicates
    assert card.seconds == 6 * 10.5
    assert "WA003" in card_text(card, files)


@on("battery_died")
def test_dying_battery_is_reported(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, files = inspected
    (recorder,) = card.recorders
    assert card.states == {"whole": 3, "recovered": 1, "empty": 1}
    assert (recorder.name, recorder.recordings) == ("24E144055E080032", 4)
    assert recorder.battery_v
    assert (recorder.battery_v.first, recorder.battery_v.last, recorder.battery_v.lowest) == (4.2, 3.1, 3.1)
    assert files[3].metadata.stopped_by == "SD card write error"


@on("hole")
def test_missing_recordings_are_counted(inspected: tuple[CardReport, list[CardFile]]) -> None:
    (gap,) = inspected[0].recorders[0].gaps
    assert gap.recordings == 3
    assert gap.from_utc == datetime(2019, 5, 22, 22, 15, tzinfo=UTC)
    assert gap.until_utc == datetime(2019, 5, 22, 23, 0, tzinfo=UTC)


@on("nights_only")
def test_unscheduled_time_is_no_gap(inspected: tuple[CardReport, list[CardFile]]) -> None:
    (gap,) = inspected[0].recorders[0].gaps
    assert (gap.recordings, gap.from_utc) == (1, datetime(2019, 5, 25, 0, tzinfo=UTC))


@on("clock_fell_back")
def test_clock_that_goes_back_is_reported(inspected: tuple[CardReport, list[CardFile]]) -> None:
    (fault,) = inspected[0].recorders[0].clock_faults
    assert fault.startswith("REC0002.WAV: the clock went back from 2019-05-22 22:10:00 to 2019-05-22 01:00:00")


@on("ahead")
def test_clock_in_the_future_is_reported(inspected: tuple[CardReport, list[CardFile]]) -> None:
    (fault,) = inspected[0].recorders[0].clock_faults
    assert "in the future" in fault


def test_clock_that_was_never_set_is_reported(tmp_path: Path) -> None:
    (tmp_path / "00000000.WAV").write_bytes(FILES["no clock"].content)
    (fault,) = inspect(tmp_path)[0].recorders[0].clock_faults
    assert "never set" in fault


@on("copies")
def test_copy_counts_once(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, _ = inspected
    first = "a/S4A03895_20190522_223000.wav"
    assert card.duplicates == {"b/S4A03895_20190522_223000.wav": first, "copy of it.wav": first}
    assert (card.audio_files, card.seconds) == (4, 4)


@on("dead_microphone")
def test_silent_and_clipped_channels_are_reported(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, (file,) = inspected
    assert (file.silent, file.clipped) == ((1,), (2,))
    assert "channel 1" in card_text(card, [file])


@on("two_slots")
def test_logs_of_two_slots_are_merged(inspected: tuple[CardReport, list[CardFile]]) -> None:
    card, files = inspected
    log = card.logs["S4A03895"]
    assert (log.rows, log.power_ons, log.position) == (12, 3, Position(-22.9, -47.06))
    assert (log.first, log.last) == (datetime(2019, 5, 22, 0), datetime(2019, 5, 22, 20))
    assert log.battery_v
    assert log.temperature_c
    assert (log.battery_v.first, log.battery_v.lowest, log.battery_v.last) == (6.4, 5.3, 6.3)
    assert (log.temperature_c.lowest, log.temperature_c.highest, log.temperature_c.last) == (8, 25, 25)
    assert "6.4 to 6.3 V" in card_text(card, files)


def test_sites_without_prefixes_are_kept_apart(tmp_path: Path) -> None:
    """Recorders of several sites record at the same times, and their names contain only the time."""
    for number, site in enumerate(("pond", "river", "wood")):
        for minute in range(3):
            path = tmp_path / site / "20190522" / f"20190522_22{minute:02}00.WAV"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(short(10 * number + minute, 59))
    card, _ = inspect(tmp_path)
    assert [(recorder.name, recorder.recordings, recorder.overlaps) for recorder in card.recorders] == [
        ("pond", 3, ()),
        ("river", 3, ()),
        ("wood", 3, ()),
    ]


def test_float_beyond_full_scale_is_not_clipped(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).normal(0, 0.8, (16_000, 1)).astype("<f4")
    for name, samples in (("loud.wav", sound), ("clipped.wav", sound.clip(-1, 1))):
        (tmp_path / name).write_bytes(riff(fmt(tag=3, bits=32), chunk(b"data", samples.tobytes())))
    _, files = inspect(tmp_path)
    assert {file.name: file.clipped for file in files} == {"loud.wav": (), "clipped.wav": (1,)}


def test_real_recorder_files_have_their_states(data: Path) -> None:
    files = list(survey_card(data / "recorders", None))
    card = summarise_card(files, NOW)
    broken = {file.name: file.state for file in files if file.is_audio and file.state != "whole"}
    assert broken == {"zero_length.wav": "empty", "png_named.WAV": "not_audio", "data_past_eof.wav": "truncated"}
    assert (card.audio_files, card.other_files, card.duplicates) == (36, 4, {})
    log = card.logs["SM3"]
    assert (log.rows, log.power_ons, log.position) == (399, 1, None)
    assert log.temperature_c
    assert math.isclose(log.temperature_c.first, 13.75)
    assert card.configs == (
        AudioMothConfig("243B1F075C7A37BE", "AudioMoth-Firmware-Basic (1.4.4)", "UTC+10:30", "32000", "Medium-High"),
    )
    assert {serial for recorder in card.recorders for serial in recorder.serials} >= {"0FE081F80FE081F0", "22060166"}


def test_real_song_meter_day_has_no_findings(data: Path) -> None:
    card = summarise_card(list(survey_card(data / "sm4_day", BRT)), NOW)
    (recorder,) = card.recorders
    assert (recorder.name, recorder.recordings, recorder.interval_s) == ("S4A03895", 96, 900)
    assert (recorder.gaps, recorder.overlaps, recorder.clock_faults, card.unreadable) == ((), (), (), 0)


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J"
    content = riff(fmt(), chunk(b"data", pcm16(noise(100))), guano(Model=evil, Serial=evil, Firmware_Version=evil))
    (tmp_path / f"{evil.replace('/', '')}_20190522_223000.wav").write_bytes(content)
    (tmp_path / f"{evil}_A_Summary.txt").write_bytes(b"DATE,TIME\n2021-Sep-21,17:01:01\n")
    inspect(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Device ID : 24\r\nGain : \x1b[2J\r\n", (AudioMothConfig("24", None, None, None, "?[2J"),)),
        (b"hello\n", ()),
        (bytes(10_000), ()),
    ],
)
def test_partial_audiomoth_settings_are_shown(
    tmp_path: Path, content: bytes, expected: tuple[AudioMothConfig, ...]
) -> None:
    (tmp_path / "CONFIG.TXT").write_bytes(content)
    card, files = inspect(tmp_path)
    assert card.configs == expected
    assert ("CONFIG.TXT of 24" in card_text(card, files)) == bool(expected)


def test_missing_card_is_an_error_and_empty_card_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        inspect(tmp_path / "nothing")
    card, files = inspect(tmp_path)
    assert (card.audio_files, card.unreadable, files) == (0, 0, [])
