"""A folder of good and bad files is analysed completely, and each file once."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Stop
from typing import Any

import numpy as np
import pytest
import soundfile as sf

import anura_edge.app.scan_files as scan_files_module
from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.errors import ConfigError, JournalError, ModelError
from anura_edge.sources.files.scan import scan
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES
from anura_edge.store.journal import Journal
from anura_edge.store.run_summary import RunSummary
from anura_edge.wire import EffortRow, EventRow, NoticeRow

RATE_HZ = 8_000


@pytest.fixture
def config(tmp_path: Path, stream_path: Path) -> Config:
    return Config(
        state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), audio=AudioSettings(utc_offset="-03:00")
    )


@pytest.fixture
def card(tmp_path: Path, two_calls: Callable[..., FloatArray]) -> Path:
    """Two good recordings among other files of a card."""
    card = tmp_path / "card"
    (card / "Data").mkdir(parents=True)
    sound = two_calls(24_000)
    sf.write(card / "Data" / "A_20261120_193000.wav", np.hstack([sound, 0.1 * sound]), 24_000)
    (card / "Data" / "B_20261120_200000.wav").touch()
    (card / "Data" / "C_20261120_203000.wav").write_bytes(bytes(131_072))
    (card / "Data" / "D_20261120_210000.WAV").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 1_000)
    (card / "Data" / "E_20261120_213000.w4v").write_bytes(b"x" * 1_000)
    (card / "Data" / os.fsdecode(b"F_for\xeat_20261120_220000.wav")).touch()
    (card / "A_Summary.txt").write_text("DATE,TIME\n")
    noisy = two_calls() + np.random.default_rng(1).normal(0, 1e-3, (10 * RATE_HZ, 1))
    sf.write(os.fsencode(card) + b"/Data/Z_for\xeat_20261120_223000.flac", noisy, RATE_HZ)
    return card


def scan_folder(config: Config, folder: Path) -> tuple[RunSummary, list[EventRow]]:
    rows: list[EventRow] = []
    with DeviceRuntime(config, rows.append, Stop()) as runtime:
        runtime.scan_files(scan(folder))
    return runtime.summary, rows


def test_good_files_are_analysed_and_bad_ones_have_a_reason(config: Config, card: Path) -> None:
    summary, rows = scan_folder(config, card)
    assert (summary.new, summary.known) == (2, 0)
    assert summary.unreadable == {"empty": 2, "nul_filled": 1, "not_audio": 1, "proprietary": 1}
    assert summary.events == {"Tonus gravis": 2, "Tonus acutus": 2}
    assert summary.seconds == {"analysed": 20}
    assert summary.times_real_time > 0
    assert [row.label for row in rows] == ["LOW", "HIGH"] * 2
    assert rows[0].recording_name == "Data/A_20261120_193000.wav"
    assert f"{rows[0].start_utc:%Y-%m-%d %H:%M}" == "2026-11-20 22:30"
    assert rows[2].recording_name == "Data/Z_for\\xeat_20261120_223000.flac"


def test_each_printed_event_is_in_the_journal(config: Config, card: Path) -> None:
    summary, rows = scan_folder(config, card)
    journal = Journal(config.journal_path)
    stored = [each.row for each in journal.outbox.pending(0, 100)]
    journal.close()
    assert [row for row in stored if isinstance(row, EventRow)] == rows
    assert sum(row.samples / row.rate_hz for row in stored if isinstance(row, EffortRow)) == 20
    assert [row.detail for row in stored if isinstance(row, NoticeRow)] == [
        "empty: Data/B_20261120_200000.wav",
        "nul_filled: Data/C_20261120_203000.wav",
        "not_audio: Data/D_20261120_210000.WAV",
        "proprietary: Data/E_20261120_213000.w4v",
        "empty: Data/F_for\\xeat_20261120_220000.wav",
    ]
    assert summary.pending == len(stored) == 11


def test_second_scan_finds_all_files_known(config: Config, card: Path) -> None:
    scan_folder(config, card)
    summary, rows = scan_folder(config, card)
    assert (summary.new, summary.known, rows) == (0, 2, [])
    assert (summary.unreadable, summary.known_unreadable) == ({}, 5)
    assert summary.pending == 11


def test_renamed_copy_is_known(config: Config, card: Path, tmp_path: Path) -> None:
    scan_folder(config, card)
    (tmp_path / "other").mkdir()
    shutil.copy(card / "Data" / "A_20261120_193000.wav", tmp_path / "other" / "renamed.wav")
    summary, _ = scan_folder(config, tmp_path / "other")
    assert (summary.new, summary.known) == (0, 1)


def test_another_model_analyses_all_files(config: Config, card: Path, window_path: Path) -> None:
    scan_folder(config, card)
    summary, rows = scan_folder(config.model_copy(update={"model": ModelSettings(bundle=window_path)}), card)
    assert summary.new == 2
    assert {row.label for row in rows} == {"LOUD"}


def test_truncated_recording_keeps_its_start_and_a_reason(
    config: Config, tmp_path: Path, two_calls: Callable[..., FloatArray]
) -> None:
    path = tmp_path / "card" / "a.flac"
    path.parent.mkdir()
    sf.write(path, np.tile(two_calls(), (6, 1)), RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    sf.write(path.parent / "b.wav", two_calls(), RATE_HZ)
    summary, rows = scan_folder(config, path.parent)
    assert summary.new == 2
    assert summary.unreadable == {"broken_off": 1}
    assert {row.recording_name for row in rows} == {"a.flac", "b.wav"}
    assert sum(summary.seconds.values()) == 70
    assert summary.seconds["unreadable"] > 0
    assert scan_folder(config, path.parent)[0].known == 2


def test_extreme_float_samples_do_not_stop_the_scan(
    config: Config, tmp_path: Path, two_calls: Callable[..., FloatArray]
) -> None:
    (tmp_path / "card").mkdir()
    for number, bad in enumerate([np.nan, np.inf, 1e30, 3e38]):
        samples = two_calls().copy()
        samples[: 2_000 + number] = bad
        sf.write(tmp_path / "card" / f"{number}.wav", samples, RATE_HZ, subtype="FLOAT")
    summary, _ = scan_folder(config, tmp_path / "card")
    assert summary.new == 4
    assert summary.events["Tonus acutus"] == 4


def test_very_long_name_is_analysed(config: Config, tmp_path: Path, two_calls: Callable[..., FloatArray]) -> None:
    deep = tmp_path.joinpath("card", *["d" * 200] * 4)
    deep.mkdir(parents=True)
    sf.write(deep / "a.wav", two_calls(), RATE_HZ)
    (deep / "b.wav").touch()
    summary, rows = scan_folder(config, tmp_path / "card")
    assert (summary.new, len(rows), summary.unreadable) == (1, 2, {"empty": 1})


def test_stop_stores_only_whole_recordings(config: Config, card: Path) -> None:
    stop = Stop()
    with DeviceRuntime(config, lambda _: stop.set(), stop) as runtime:
        runtime.scan_files(scan(card))
    assert runtime.summary.new == 1
    summary, _ = scan_folder(config, card)
    assert (summary.known, summary.new) == (1, 1)


def test_invalid_settings_are_reported_before_the_analysis(config: Config, tmp_path: Path) -> None:
    def start(**changes: object) -> None:
        with DeviceRuntime(config.model_copy(update=changes), print, Stop()):
            pass

    with pytest.raises(ModelError, match="no model bundle"):
        start(model=ModelSettings(bundle=tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="journal"):
        start(state_dir=tmp_path / "file")
    mistaken = config.model_copy(update={"detect": DetectionSettings(thresholds={"X": 0.5})})
    with pytest.raises(ConfigError, match="the model has no"), DeviceRuntime(mistaken, print, Stop()) as runtime:
        runtime.scan_files([])


def test_files_of_real_recorders_are_analysed(config: Config, data: Path) -> None:
    summary, _ = scan_folder(config, data / "recorders")
    assert summary.unreadable == {"empty": 1, "not_audio": 1, "truncated": 1}
    audio = [path for path in (data / "recorders").iterdir() if path.suffix.lower() in AUDIO_SUFFIXES]
    assert summary.new + summary.known == len(audio) - 2  # the truncated one is analysed up to its end
    again, rows = scan_folder(config, data / "recorders")
    assert (again.new, again.known, rows) == (0, summary.new + summary.known, [])


def test_file_that_changes_is_analysed_again_and_counted_once(
    config: Config, tmp_path: Path, two_calls: Callable[..., FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    growing = card / "A_20261120_193000.wav"
    sf.write(growing, two_calls(), RATE_HZ)
    whole = np.concatenate([two_calls(), two_calls()])
    analyse = scan_files_module.analyse

    def analyse_while_it_grows(*arguments: Any) -> Iterator[Any]:
        yield from analyse(*arguments)
        sf.write(growing, whole, RATE_HZ)

    monkeypatch.setattr(scan_files_module, "analyse", analyse_while_it_grows)
    assert scan_folder(config, card)[0].seconds == {}
    monkeypatch.undo()
    assert scan_folder(config, card)[0].seconds == {"analysed": len(whole) / RATE_HZ}


def test_removed_card_is_analysed_after_its_return(
    config: Config, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse = scan_files_module.analyse

    def pull(*arguments: Any) -> Iterator[Any]:
        (card / "Data").rename(tmp_path / "pulled")
        yield from analyse(*arguments)

    monkeypatch.setattr(scan_files_module, "analyse", pull)
    assert scan_folder(config, card)[0].new == 0
    monkeypatch.undo()
    (tmp_path / "pulled").rename(card / "Data")
    assert scan_folder(config, card)[0].new == 2


def test_second_process_with_the_same_journal_is_refused(config: Config, card: Path) -> None:
    with DeviceRuntime(config, print, Stop()), pytest.raises(JournalError, match="another anura-edge uses"):
        DeviceRuntime(config, print, Stop())
    assert scan_folder(config, card)[0].new == 2
