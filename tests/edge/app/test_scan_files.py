"""Each second of a card counts once, also after copies, renames, truncation, completion and reanalysis."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from threading import Event as Stop
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import DEADLINE_S, tmpfs

import anura_edge.app.scan_files as scan_files_module
from anura_edge.app import site_opener
from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.dsp.framer import AudioBlock
from anura_edge.errors import JournalError
from anura_edge.events import Scores
from anura_edge.inference.classifier import StreamClassifier
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.files.scan import FoundFile, scan
from anura_edge.store.run_summary import RunSummary
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Row

RATE_HZ = 8_000
NAME = "A_20261120_193000.wav"


@pytest.fixture
def config(tmp_path: Path, stream_path: Path) -> Config:
    return Config(
        state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), audio=AudioSettings(utc_offset="-03:00")
    )


@pytest.fixture
def card(tmp_path: Path, two_calls: Callable[..., FloatArray]) -> Path:
    (tmp_path / "card").mkdir()
    sf.write(tmp_path / "card" / NAME, two_calls(), RATE_HZ)
    return tmp_path / "card"


def noisy(seed: int, seconds: float = 10) -> FloatArray:
    """A recording of its own: no two microphones make the same noise."""
    return np.random.default_rng(seed).normal(0, 0.01, (round(seconds * RATE_HZ), 1)).astype(np.float32)


def scan_folder(config: Config, folder: Path, *, again: bool = False) -> RunSummary:
    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        runtime.scan_files(scan(folder), reanalyse=again)
    return runtime.summary


def write_many(card: Path, two_calls: Callable[..., FloatArray]) -> None:
    """Write a card on which a file's fate depends on those before it: copies, a part of another, damage, nothing."""
    card.mkdir()
    for minute in range(8):
        sf.write(card / f"A_20261120_19{minute:02}00.wav", two_calls() + noisy(minute), RATE_HZ)
    whole = (card / "A_20261120_190300.wav").read_bytes()
    (card / "B_whole_again.wav").write_bytes(whole)
    (card / "A_20261120_190250.wav").write_bytes(whole[: len(whole) // 2])
    (card / "B_empty.wav").touch()
    (card / "B_noise.wav").write_bytes(b"no sound at all" * 1_000)
    (card / "B_long.flac").write_bytes(b"fLaC")


@pytest.mark.parametrize("jobs", [2, 5])
def test_journal_does_not_depend_on_the_number_of_jobs(
    tmp_path: Path, stream_path: Path, two_calls: Callable[..., FloatArray], jobs: int
) -> None:
    write_many(tmp_path / "card", two_calls)
    found = []
    for name, at_a_time in (("one", 1), ("many", jobs)):
        config = Config(state_dir=tmp_path / name, model=ModelSettings(bundle=stream_path))
        with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
            runtime.scan_files(scan(tmp_path / "card"), jobs=at_a_time)
        rows = [
            row.model_dump(exclude={"utc", "id", "analysis", "replaces"} if row.kind == "notice" else {"analysis"})
            for row in sent(config)
        ]
        found.append((rows, replace(runtime.summary, elapsed_s=0)))
    assert found[0] == found[1], "rows, their ids and numbers, and the summary"
    assert len([row for row in found[0][0] if "label" in row]) >= 16


def test_each_job_analyses_a_file_at_the_same_time(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card").mkdir()
    for number in range(6):
        sf.write(tmp_path / "card" / f"{number}.wav", noisy(number), RATE_HZ)
    meeting, score = Barrier(3), StreamClassifier.score

    def score_together(classifier: StreamClassifier, window: AudioBlock) -> Scores:
        meeting.wait(DEADLINE_S)
        return score(classifier, window)

    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        monkeypatch.setattr(StreamClassifier, "score", score_together)
        runtime.scan_files(scan(tmp_path / "card"), jobs=3)
    assert runtime.summary.new == 6


def test_error_in_a_job_is_raised_and_earlier_results_stay(
    config: Config, tmp_path: Path, two_calls: Callable[..., FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_many(tmp_path / "card", two_calls)
    written = 0

    def fail(*_: Any) -> bool:
        nonlocal written
        written += 1
        if written == 4:
            raise JournalError("the disk is gone")
        return True

    monkeypatch.setattr(scan_files_module, "is_unchanged", fail)
    with pytest.raises(JournalError), DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        runtime.scan_files(scan(tmp_path / "card"), jobs=2)
    monkeypatch.undo()
    with closing(sqlite3.connect(config.journal_path)) as db:
        assert db.execute("SELECT count(*) FROM recordings").fetchone() == (3,)
    assert scan_folder(config, tmp_path / "card").new == 6


def count(config: Config) -> tuple[float, int]:
    """Return the seconds and the events that count."""
    with closing(sqlite3.connect(config.journal_path)) as db:
        (seconds,) = db.execute("SELECT coalesce(sum(1.0 * samples / rate_hz), 0) FROM effort")
        (events,) = db.execute("SELECT count(*) FROM event")
    return seconds[0], events[0]


def sent(config: Config) -> list[Row]:
    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        return [each.row for each in runtime.journal.outbox.pending(0, 10_000)]


def test_unchanged_file_is_known_by_its_fingerprint(
    config: Config, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan_folder(config, card)
    monkeypatch.setattr(site_opener, "open_file", None)  # to open it would fail
    assert scan_folder(config, card).known == 1


def test_copied_card_is_read_once(config: Config, card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan_folder(config, card)
    copy = Path(shutil.copytree(card, tmp_path / "archive" / "2026"))
    os.utime(copy / NAME, (10**9, 10**9))
    assert scan_folder(config, tmp_path / "archive").known == 1
    monkeypatch.setattr(site_opener, "open_file", None)
    assert scan_folder(config, tmp_path / "archive").known == 1


def test_other_card_with_equal_names_and_times_is_analysed(config: Config, tmp_path: Path) -> None:
    """AudioMoths on one schedule write such cards. These are quiet where the fingerprint is taken first."""
    (tmp_path / "card").mkdir()
    path = tmp_path / "card" / "20261120_193000.WAV"
    for unit in range(3):
        sound = noisy(unit)
        sound[: RATE_HZ // 2] = 0
        sf.write(path, sound, RATE_HZ)
        os.utime(path, (10**9, 10**9))
        assert scan_folder(config, tmp_path / "card").new == 1
    assert count(config)[0] == 30


def test_reanalysis_under_other_settings_replaces_the_first(config: Config, card: Path) -> None:
    scan_folder(config, card)
    other = config.model_copy(
        update={"audio": AudioSettings(utc_offset="+10:00"), "detect": DetectionSettings(thresholds={"HIGH": 1.0})}
    )
    first = scan_folder(other, card)
    assert (first.new, first.known, first.other_settings) == (0, 1, 1)
    again = scan_folder(other, card, again=True)
    assert (again.new, again.known) == (1, 0)
    assert count(config) == (10, 1)
    rows = sent(config)
    (withdrawal,) = [row for row in rows if isinstance(row, NoticeRow)]
    assert (withdrawal.what, withdrawal.detail) == ("withdrawn", f"{NAME}: analysed again")
    events = [row for row in rows if isinstance(row, EventRow)]
    assert [(row.label, row.start_utc.hour, row.seq > withdrawal.seq) for row in events] == [
        ("LOW", 9, True),
    ]
    assert {row.recording for row in events} == {withdrawal.recording}, "identity is content"
    assert scan_folder(other, card, again=True).new == 1, "the site or the name may have changed"
    assert scan_folder(other, card).known == 1
    assert scan_folder(config, card, again=True).new == 1, "and the old settings can be used again"
    assert count(config) == (10, 2)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_copy_completed_later_counts_once(config: Config, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "card").mkdir()
    path = tmp_path / "card" / f"A_20261120_193000.{suffix}"
    sf.write(path, noisy(1, 60), RATE_HZ)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert scan_folder(config, tmp_path / "card").unreadable != {}
    assert count(config)[0] == 60, "half of it unreadable"
    path.write_bytes(whole[: len(whole) * 3 // 4])
    scan_folder(config, tmp_path / "card")
    path.write_bytes(whole)
    summary = scan_folder(config, tmp_path / "card")
    assert (summary.new, summary.seconds) == (1, {"analysed": 60})
    assert count(config)[0] == 60
    path.rename(path.with_name("whole.wav") if suffix == "wav" else path.with_name("whole.flac"))
    path.write_bytes(whole[: len(whole) // 3])  # a part that was never analysed by itself
    assert scan_folder(config, tmp_path / "card").known == 2
    path.write_bytes(whole[: len(whole) // 2])  # a part that was
    other = config.model_copy(update={"audio": AudioSettings(utc_offset="+10:00")})
    scan_folder(other, tmp_path / "card", again=True)
    assert count(config)[0] == 60


def test_preallocated_copy_counts_once(config: Config, tmp_path: Path) -> None:
    """Some copiers give a file its length before its content, and are interrupted."""
    (tmp_path / "card").mkdir()
    path = tmp_path / "card" / NAME
    sf.write(path, noisy(1, 60), RATE_HZ)
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + bytes(len(whole) - half))
    scan_folder(config, tmp_path / "card")
    path.write_bytes(whole)
    assert scan_folder(config, tmp_path / "card").new == 1
    assert count(config)[0] == 60
    assert scan_folder(config, tmp_path / "card").known == 1


def test_silent_recordings_count_separately(config: Config, tmp_path: Path) -> None:
    (tmp_path / "card" / "copy").mkdir(parents=True)
    for hour in range(3):
        sf.write(tmp_path / "card" / f"A_20261120_{hour:02}0000.wav", np.zeros(10 * RATE_HZ), RATE_HZ)
        shutil.copy(tmp_path / "card" / f"A_20261120_{hour:02}0000.wav", tmp_path / "card" / "copy")
    summary = scan_folder(config, tmp_path / "card")
    assert (summary.new, summary.known) == (3, 3)
    assert count(config)[0] == 30


def test_truncated_recording_is_reported_by_each_scan(config: Config, card: Path) -> None:
    content = (card / NAME).read_bytes()
    (card / NAME).write_bytes(content[:-1_000])
    assert scan_folder(config, card).unreadable == {"truncated": 1}
    again = scan_folder(config, card)
    assert (again.known, again.unreadable, again.known_unreadable, again.is_complete) == (1, {}, 1, False)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["wav", "flac", "mp3", "ogg", "aiff"]),
    share=st.floats(0, 1),
    damage=st.binary(max_size=64),
)
def test_effort_equals_the_audio_of_the_header(
    tmp_path: Path, stream_path: Path, suffix: str, share: float, damage: bytes
) -> None:
    """However a file is cut and damaged: each sample is analysed or unreadable, or the file is set aside."""
    shutil.rmtree(tmp_path / "card", ignore_errors=True)
    shutil.rmtree(tmp_path / "state", ignore_errors=True)
    (tmp_path / "card").mkdir()
    path = tmp_path / "card" / f"a.{suffix}"
    sf.write(path, noisy(3, 3), RATE_HZ)
    content = path.read_bytes()
    cut = int(share * len(content))
    path.write_bytes(content[:cut] + damage)
    config = Config(state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path))
    summary = scan_folder(config, tmp_path / "card")
    if not summary.new:
        assert sum(summary.unreadable.values()) == 1
        return
    sound = open_file(path, path.name)
    efforts = sorted((row for row in sent(config) if isinstance(row, EffortRow)), key=lambda row: row.first_sample)
    ends = [row.first_sample + row.samples for row in efforts]
    assert [row.first_sample for row in efforts] == [0, *ends[:-1]], "each sample has one fate"
    promised = sound.recording.samples
    assert promised is None or ends[-1] == promised
    assert (summary.new, len(sent(config)) - len(efforts)) == (1, sum(summary.unreadable.values()))


class _Failing:
    """A card's file that cannot be read from some place on."""

    def __init__(self, at: int) -> None:
        self.at, self.reads = at, 0

    def __call__(self, descriptor: int, length: int, at: int) -> bytes:
        self.reads += 1
        if at + length > self.at:
            raise OSError(5, os.strerror(5))
        return bytes(os.preadv(descriptor, [buffer := bytearray(length)], at) and buffer)


def test_read_error_does_not_make_a_file_unreadable(
    config: Config, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sf.write(card / "B_20261120_200000.wav", noisy(2, 1), RATE_HZ)
    retried: list[FoundFile] = []
    with DeviceRuntime(config, lambda _: None, Stop()) as runtime, monkeypatch.context() as failing:
        failing.setattr(os, "pread", _Failing(at=100_000))
        runtime.scan_files(scan(card), retried.append)
    assert [file.name for file in retried] == [NAME]
    assert (runtime.summary.new, runtime.summary.left, runtime.summary.unreadable) == (1, {"interrupted": 1}, {})
    assert not runtime.summary.is_complete
    summary = scan_folder(config, card)
    assert (summary.new, summary.known, summary.is_complete) == (1, 1, True)
    assert count(config)[0] == 11


def test_card_removed_during_the_scan_is_analysed_later(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "mounted"
    card.mkdir()
    analyse = scan_files_module.analyse
    with tmpfs(card):
        sf.write(card / NAME, noisy(1), RATE_HZ)
        content = (card / NAME).read_bytes()

        def pull(*arguments: Any) -> Any:
            (card / NAME).unlink()
            yield from analyse(*arguments)

        monkeypatch.setattr(scan_files_module, "analyse", pull)
        summary = scan_folder(config, card)
    assert (summary.new, summary.left, count(config)) == (0, {"interrupted": 1}, (0, 0))
    monkeypatch.undo()
    with tmpfs(card):
        (card / NAME).write_bytes(content)
        assert scan_folder(config, card).new == 1
    assert count(config)[0] == 10


def test_file_times_beyond_the_calendar_do_not_end_the_scan(config: Config, tmp_path: Path) -> None:
    """A damaged directory gives a file any time. It costs neither the other files nor the file itself."""
    card = tmp_path / "mounted"
    card.mkdir()
    with tmpfs(card):
        for number, seconds in enumerate((2**55, -(2**40), 2**34, 10**9)):
            sf.write(card / f"{number}.wav", noisy(number), RATE_HZ)
            (card / f"{number}_empty.wav").touch()
            for name in (f"{number}.wav", f"{number}_empty.wav"):
                os.utime(card / name, (seconds, seconds))
        summary = scan_folder(config, card)
        assert (summary.new, summary.unreadable) == (4, {"empty": 4})
        again = scan_folder(config, card)
        assert (again.known, again.known_unreadable, again.unreadable) == (4, 4, {})
    efforts = [row for row in sent(config) if isinstance(row, EffortRow)]
    assert sorted(row.clock_source for row in efforts) == ["file", "unknown", "unknown", "unknown"]


def test_read_only_card_is_analysed_and_not_written(config: Config, tmp_path: Path) -> None:
    card = tmp_path / "mounted"
    card.mkdir()
    with tmpfs(card):
        sf.write(card / NAME, noisy(1), RATE_HZ)
        before = [(path, path.stat()) for path in (card, card / NAME)]
        scan_folder(config, card)
        for path, status in before:
            assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == (status.st_mtime_ns, status.st_ctime_ns)
    with tmpfs(card, "ro"):
        assert scan_folder(config, card).is_complete
