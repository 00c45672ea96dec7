"""Each file is yielded once, when it is finished, and again when it has changed; what is not finished is told."""

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

Left = list[tuple[str, str, int]]


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


def once(root: Path, settings: WatchSettings = AT_ONCE) -> tuple[list[str], Left]:
    left: Left = []
    found = [file.name for file in WatchedFolder(root, settings, Event(), lambda *what: left.append(what)).scan_once()]
    return found, left


@contextmanager
def watching(root: Path, settings: WatchSettings = QUICK) -> Iterator[list[FoundFile]]:
    """Collect what a watch yields, in a thread, until the block ends."""
    found: list[FoundFile] = []
    errors: list[BaseException] = []
    stop = Event()

    def collect() -> None:
        try:
            for file in WatchedFolder(root, settings, stop).watch():
                found.append(file)  # noqa: PERF402 (seen as they come)
        except BaseException as error:  # told in the main thread
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


def test_a_watch_yields_what_is_there_and_what_comes(tmp_path: Path) -> None:
    put(tmp_path / "old.wav", mtime=LONG_AGO)
    with watching(tmp_path) as found:
        eventually(lambda: [file.name for file in found] == ["old.wav"])
        put(tmp_path / "new" / "a.txt")
        eventually(lambda: [file.name for file in found] == ["old.wav", "new/a.txt"])


def test_a_growing_file_is_not_yielded(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.txt", b"")
    with watching(tmp_path, NEVER) as found:
        for number in range(5):
            path.write_bytes(b"x" * number)
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: len(found) == number + 1)
    assert "growing.txt" not in [file.name for file in found]


def test_a_file_that_stopped_growing_is_yielded_whole(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.txt", b"")
    with watching(tmp_path) as found:
        for number in range(10):
            path.write_bytes(b"x" * (number + 1))
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: f"scanned{number}" in [file.name for file in found])
        eventually(lambda: [file.size for file in found if file.name == "growing.txt"][-1:] == [10])


def test_a_file_that_changed_is_yielded_again_and_others_are_not(tmp_path: Path) -> None:
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


def test_a_card_that_is_not_in_yet_is_waited_for_and_may_come_back(tmp_path: Path) -> None:
    card = tmp_path / "card"
    with watching(card) as found:
        put(card / "a.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav"])
        card.rename(tmp_path / "taken-out")
        (tmp_path / "taken-out").rename(card)
        put(card / "b.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav", "b.wav"])


def test_a_watch_ends_when_told(tmp_path: Path) -> None:
    with watching(tmp_path, WatchSettings(interval_s=3_600, debounce_s=3_600)) as found:
        put(tmp_path / "a.wav")
    assert found == []


def test_a_young_file_is_finished_when_its_header_is_fulfilled(tmp_path: Path) -> None:
    whole = wav(tmp_path / "whole.wav").read_bytes()
    put(tmp_path / "half.wav", whole[: len(whole) // 2])
    put(tmp_path / "unsized.wav", whole[:40] + bytes(4) + whole[44:])
    put(tmp_path / "empty.wav", b"")
    put(tmp_path / "half_old.wav", whole[: len(whole) // 2], mtime=LONG_AGO)
    found, left = once(tmp_path)
    assert found == ["half_old.wav", "whole.wav"]
    ((reason, detail, count),) = left
    assert (reason, count) == ("unfinished", 3)
    assert "empty.wav" in detail
    assert "--watch" in detail


@pytest.mark.parametrize("seconds", [300, 86_400], ids=["a file system's zone", "a clock that was never set"])
def test_a_time_in_the_future_is_no_reason_to_wait_for_it(tmp_path: Path, seconds: int) -> None:
    path = wav(tmp_path / "a.wav")
    os.utime(path, (time.time() + seconds, time.time() + seconds))
    assert once(tmp_path) == (["a.wav"], [])


def test_an_unfinished_file_is_old_when_it_was_seen_unchanged_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = wav(tmp_path / "a.wav").read_bytes()
    put(tmp_path / "a.wav", whole[:-10], mtime=time.time() + 86_400)
    monkeypatch.setattr(debounce, "OLD_S", 0.2)
    with watching(tmp_path) as found:
        eventually(lambda: [file.name for file in found] == ["a.wav"])


def test_old_files_come_first_and_a_scan_waits_once_for_the_young(tmp_path: Path) -> None:
    for name in ("a.wav", "c.wav"):
        wav(tmp_path / name)
    put(tmp_path / "b.wav", mtime=LONG_AGO)
    assert once(tmp_path, QUICK) == (["b.wav", "a.wav", "c.wav"], [])


def test_a_file_that_grows_between_the_looks_is_left(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.wav").read_bytes()
    path = put(tmp_path / "a.wav", whole[:-2])
    put(tmp_path / "b.wav", mtime=LONG_AGO)
    left: Left = []
    files = WatchedFolder(tmp_path, AT_ONCE, Event(), lambda *what: left.append(what)).scan_once()
    assert next(files).name == "b.wav"
    path.write_bytes(whole)
    assert list(files) == []
    assert [reason for reason, *_ in left] == ["unfinished"]


def test_many_young_files_take_their_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debounce, "MAX_SETTLING", 3)
    names = [f"{number}.wav" for number in range(10)]
    for name in names:
        wav(tmp_path / name)
    assert once(tmp_path) == (names, [])
    for name in names:
        put(tmp_path / name, b"")
    found, left = once(tmp_path)
    assert found == []
    assert left[0][2] == 3, "it ends though they never finish"


def test_a_settling_file_that_vanishes_is_forgotten(tmp_path: Path) -> None:
    folder = WatchedFolder(tmp_path, AT_ONCE, Event())
    put(tmp_path / "a.wav", b"")
    files = folder.scan_once()
    assert list(files) == []
    assert len(folder._settling.files) == 1
    (tmp_path / "a.wav").unlink()
    assert list(folder.scan_once()) == []
    assert folder._settling.files == {}


def test_a_file_that_could_not_be_read_to_its_end_comes_again(tmp_path: Path) -> None:
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


def test_another_card_with_the_same_names_sizes_and_times_is_another(tmp_path: Path) -> None:
    """AudioMoths on one schedule write such cards."""
    card = tmp_path / "card"
    card.mkdir()
    with watching(card) as found:
        for number in (1, 2):
            with tmpfs(card):
                put(card / "20240903_202600.WAV", b"%d" % number, mtime=LONG_AGO)
                eventually(lambda number=number: len(found) == number)
    assert found[0] == found[1]


def test_a_folder_in_the_place_of_another_is_another(tmp_path: Path) -> None:
    for name in ("card", "other"):
        put(tmp_path / name / "20240903_202600.WAV", name[:1].encode(), mtime=LONG_AGO)
    with MountTable(tmp_path / "card") as mounts:
        assert not mounts.has_changed()
        (tmp_path / "card").rename(tmp_path / "taken-out")
        (tmp_path / "other").rename(tmp_path / "card")
        assert mounts.has_changed()


def test_without_a_folder_a_scan_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="mount the card"):
        once(tmp_path / "card")


def test_without_hints_the_scans_do_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS, on exFAT, behind a queue that overflowed, or with no inotify instance left."""
    monkeypatch.setattr(ChangeEvents, "on_any_event", lambda *_: None)
    with watching(tmp_path) as found:
        put(tmp_path / "a.wav", mtime=LONG_AGO)
        eventually(lambda: [file.name for file in found] == ["a.wav"])


def test_a_growing_file_wakes_nobody_and_a_finished_one_does(tmp_path: Path) -> None:
    with ChangeEvents(tmp_path) as hints, (tmp_path / "a.wav").open("wb", buffering=0) as file:
        eventually(hints._changed.is_set)  # it came
        hints.clear()
        for _ in range(100):
            file.write(b"x" * 1_000)
        hints.wait(0, 0.3, Event())
        assert not hints._changed.is_set()
        file.close()
        eventually(hints._changed.is_set)


def test_what_was_seen_is_not_kept_in_memory(tmp_path: Path) -> None:
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
