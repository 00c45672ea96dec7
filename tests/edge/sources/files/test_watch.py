"""Each complete file is yielded once, and again when it has changed; incomplete files are reported."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import soundfile as sf
from support import eventually, tmpfs

from anura_edge.config.operation import WatchSettings
from anura_edge.errors import SourceError
from anura_edge.sources.files import debounce
from anura_edge.sources.files.fs_events import ChangeEvents, MountTable
from anura_edge.sources.files.scan import FoundFile
from anura_edge.sources.files.watch import WatchedFolder

QUICK = WatchSettings(interval_s=0.05, debounce_s=0.3)
NEVER = WatchSettings(interval_s=0.05, debounce_s=3_600)
AT_ONCE = WatchSettings(interval_s=0.05, debounce_s=0)
LONG_AGO = 1_000_000_000

Skipped = list[tuple[str, str, int]]


def put(path: Path, content: bytes = b"x", mtime: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def wav(path: Path, samples: int = 1_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, np.random.default_rng(1).normal(0, 0.1, samples), 8_000)
    return path


def scan_folder(root: Path, settings: WatchSettings = AT_ONCE) -> tuple[list[str], Skipped]:
    skipped: Skipped = []
    found = [
        file.name for file in WatchedFolder(root, settings, Event(), lambda *each: skipped.append(each)).scan_once()
    ]
    return found, skipped


@contextmanager
def watching(root: Path, settings: WatchSettings = QUICK) -> Iterator[list[FoundFile]]:
    """Collect reported a watch yields, in a thread, until the block ends."""
    found: list[FoundFile] = []
    errors: list[BaseException] = []
    stop = Event()

    def collect() -> None:
        try:
            for file in WatchedFolder(root, settings, stop).watch():
                found.append(file)  # noqa: PERF402 (the test reads the list while it grows)
        except BaseException as error:  # raised in the main thread
            errors.append(error)

    thread = Thread(target=collect)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not errors


def test_watch_yields_old_and_new_files(tmp_path: Path) -> None:
    put(tmp_path / "old.wav", mtime=LONG_AGO)
    with watching(tmp_path) as found:
        eventually(lambda: [file.name for file in found] == ["old.wav"])
        put(tmp_path / "new" / "a.txt")
        eventually(lambda: [file.name for file in found] == ["old.wav", "new/a.txt"])


def test_growing_file_is_not_yielded(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.txt", b"")
    with watching(tmp_path, NEVER) as found:
        for number in range(5):
            path.write_bytes(b"x" * number)
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: len(found) == number + 1)
    assert "growing.txt" not in [file.name for file in found]


def test_file_that_stopped_growing_is_yielded(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.txt", b"")
    with watching(tmp_path) as found:
        for number in range(10):
            path.write_bytes(b"x" * (number + 1))
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: f"scanned{number}" in [file.name for file in found])
        eventually(lambda: [file.size for file in found if file.name == "growing.txt"][-1:] == [10])


def test_changed_file_is_yielded_again(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        put(tmp_path / name, mtime=LONG_AGO)
    with watching(tmp_path) as found:
        eventually(lambda: len(found) == 2)
        put(tmp_path / "a.wav", b"longer", mtime=LONG_AGO)
        eventually(lambda: len(found) == 3)
        put(tmp_path / "b.wav", b"x", mtime=LONG_AGO + 1)
        eventually(lambda: len(found) == 4)
        put(tmp_path / "c.wav", mtime=LONG_AGO)
        eventually(lambda: len(found) == 5)
    assert [(file.name, file.size) for file in found[2:]] == [("a.wav", 6), ("b.wav", 1), ("c.wav", 1)]


def test_file_replaced_by_one_of_equal_size_and_time_is_yielded(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", b"one", mtime=LONG_AGO)
    put(tmp_path / "b.wav", b"one", mtime=LONG_AGO)
    with watching(tmp_path) as found:
        eventually(lambda: len(found) == 2)
        put(tmp_path / "other", b"two", mtime=LONG_AGO).rename(tmp_path / "a.wav")
        eventually(lambda: [file.name for file in found[2:]] == ["a.wav"])
        put(tmp_path / "b.wav", b"two", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found[3:]] == ["b.wav"])


def test_file_whose_permissions_changed_is_yielded_again(tmp_path: Path) -> None:
    """It could not be opened before, and now it can."""
    paths = [put(tmp_path / f"{number}.wav", mtime=LONG_AGO) for number in range(3)]
    for path in paths:
        path.chmod(0)
    with watching(tmp_path) as found:
        eventually(lambda: len(found) == 3)
        for path in paths:
            path.chmod(0o644)
        eventually(lambda: len(found) == 6)


def test_card_may_be_inserted_later_and_again(tmp_path: Path) -> None:
    card = tmp_path / "card"
    with watching(card) as found:
        put(card / "a.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav"])
        card.rename(tmp_path / "taken-out")
        (tmp_path / "taken-out").rename(card)
        put(card / "b.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav", "b.wav"])


def test_watch_ends_when_stopped(tmp_path: Path) -> None:
    with watching(tmp_path, WatchSettings(interval_s=3_600, debounce_s=3_600)) as found:
        put(tmp_path / "a.wav")
    assert found == []


def test_recent_file_is_complete_when_as_long_as_declared(tmp_path: Path) -> None:
    whole = wav(tmp_path / "whole.wav").read_bytes()
    put(tmp_path / "half.wav", whole[: len(whole) // 2])
    put(tmp_path / "unsized.wav", whole[:40] + bytes(4) + whole[44:])
    put(tmp_path / "stale.wav", whole[:40] + b"\x2c\0\0\0" + whole[44:])
    put(tmp_path / "empty.wav", b"")
    put(tmp_path / "half_old.wav", whole[: len(whole) // 2], mtime=LONG_AGO)
    found, skipped = scan_folder(tmp_path)
    assert found == ["half_old.wav", "stale.wav", "whole.wav"]
    ((reason, detail, count),) = skipped
    assert (reason, count) == ("unfinished", 3)
    assert "empty.wav" in detail
    assert "--watch" in detail


@pytest.mark.parametrize("seconds", [300, 86_400], ids=["time zone of a file system", "clock was never set"])
def test_file_with_a_time_in_the_future_is_yielded(tmp_path: Path, seconds: int) -> None:
    path = wav(tmp_path / "a.wav")
    os.utime(path, (time.time() + seconds, time.time() + seconds))
    assert scan_folder(tmp_path) == (["a.wav"], [])


def test_incomplete_file_is_yielded_after_long_without_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = wav(tmp_path / "a.wav").read_bytes()
    put(tmp_path / "a.wav", whole[:-10], mtime=time.time() + 86_400)
    monkeypatch.setattr(debounce, "OLD_S", 0.2)
    with watching(tmp_path) as found:
        eventually(lambda: [file.name for file in found] == ["a.wav"])


def test_old_files_are_yielded_first(tmp_path: Path) -> None:
    for name in ("a.wav", "c.wav"):
        wav(tmp_path / name)
    put(tmp_path / "b.wav", mtime=LONG_AGO)
    assert scan_folder(tmp_path, QUICK) == (["b.wav", "a.wav", "c.wav"], [])


def test_file_that_grows_between_scans_is_skipped(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.wav").read_bytes()
    path = put(tmp_path / "a.wav", whole[:-2])
    put(tmp_path / "b.wav", mtime=LONG_AGO)
    skipped: Skipped = []
    files = WatchedFolder(tmp_path, AT_ONCE, Event(), lambda *each: skipped.append(each)).scan_once()
    assert next(files).name == "b.wav"
    path.write_bytes(whole)
    assert list(files) == []
    assert [reason for reason, *_ in skipped] == ["unfinished"]


def test_many_recent_files_are_observed_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debounce, "MAX_RECENT", 3)
    names = [f"{number}.wav" for number in range(10)]
    for name in names:
        wav(tmp_path / name)
    assert scan_folder(tmp_path) == (names, [])
    for name in names:
        put(tmp_path / name, b"")
    found, skipped = scan_folder(tmp_path)
    assert found == []
    assert skipped[0][2] == 3, "it ends although they never become complete"


def test_deleted_recent_file_is_removed(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path, AT_ONCE, Event())
    put(tmp_path / "a.wav", b"")
    files = folder.scan_once()
    assert list(files) == []
    assert len(folder._debouncer.files) == 1
    (tmp_path / "a.wav").unlink()
    assert list(folder.scan_once()) == []
    assert folder._debouncer.files == {}


def test_interrupted_file_is_yielded_again(tmp_path: Path) -> None:
    put(tmp_path / "a.wav", mtime=LONG_AGO)
    put(tmp_path / "b.wav", mtime=LONG_AGO)
    stop = Event()
    folder = WatchedFolder(tmp_path, AT_ONCE, stop)
    found = []
    for file in folder.watch():
        found.append(file.name)
        if file.name == "a.wav":
            folder.retry(file)
        if found.count("a.wav") == 3:
            stop.set()
    assert found == ["a.wav", "b.wav", "a.wav", "a.wav"]


def test_second_card_with_equal_names_is_new(tmp_path: Path) -> None:
    """AudioMoths with one schedule write such cards."""
    card = tmp_path / "card"
    card.mkdir()
    with watching(card) as found:
        for number in (1, 2):
            with tmpfs(card):
                put(card / "20240903_202600.WAV", b"%d" % number, mtime=LONG_AGO)
                eventually(lambda number=number: len(found) == number)
    assert found[0].name == found[1].name


def test_replaced_folder_is_noticed(tmp_path: Path) -> None:
    for name in ("card", "other"):
        put(tmp_path / name / "20240903_202600.WAV", name[:1].encode(), mtime=LONG_AGO)
    with MountTable(tmp_path / "card") as mounts:
        assert not mounts.has_changed()
        (tmp_path / "card").rename(tmp_path / "taken-out")
        (tmp_path / "other").rename(tmp_path / "card")
        assert mounts.has_changed()


def test_missing_folder_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="mount the card"):
        scan_folder(tmp_path / "card")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_folder_that_the_device_may_not_read_is_reported_once(tmp_path: Path) -> None:
    skipped: Skipped = []
    stop = Event()
    (tmp_path / "card").mkdir(mode=0o700)
    tmp_path.chmod(0o755)
    os.seteuid(65_534)
    try:
        folder = WatchedFolder(tmp_path / "card", AT_ONCE, stop, lambda *each: skipped.append(each))
        watch = folder._scan_if_exists(reported := set())
        assert list(watch) == list(folder._scan_if_exists(reported)) == []
    finally:
        os.seteuid(0)
    ((reason, detail, count),) = skipped
    assert (reason, count) == ("folder", 1)
    assert "Permission denied; check its rights" in detail


def test_scans_find_files_without_change_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, on exFAT, after a queue overflow, or at the limit of inotify."""
    monkeypatch.setattr(ChangeEvents, "on_any_event", lambda *_: None)
    with watching(tmp_path) as found:
        put(tmp_path / "a.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav"])


def test_closing_a_file_is_a_change_and_writing_is_not(tmp_path: Path) -> None:
    with ChangeEvents(tmp_path) as changes, (tmp_path / "a.wav").open("wb", buffering=0) as file:
        eventually(changes._changed.is_set)  # the file was created
        changes.clear()
        for _ in range(100):
            file.write(b"x" * 1_000)
        changes.wait(0, 0.3, Event())
        assert not changes._changed.is_set()
        file.close()
        eventually(changes._changed.is_set)


def test_seen_files_are_stored_in_a_database(tmp_path: Path) -> None:
    seen = debounce.SeenFiles()
    files = [FoundFile(tmp_path / str(number), "", 1, 1) for number in range(1_000)]
    for file in files:
        assert not seen.has(file)
        seen.add(file)
    assert all(map(seen.has, files))
    assert not seen.has(FoundFile(tmp_path / "0", "", 2, 1))
    assert not seen.has(FoundFile(tmp_path / "0", "", 1, 2))
    assert isinstance(seen._db, sqlite3.Connection)
    seen.clear()
    assert not any(map(seen.has, files))
