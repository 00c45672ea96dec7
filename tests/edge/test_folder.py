"""A scan finds every regular file, in order; a watch yields each one when it has settled, and again when changed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from support import eventually

from anura_edge.config import Watch
from anura_edge.errors import SourceError
from anura_edge.sources.folder import FoundFile, scan, watch

QUICK = Watch(interval_s=0.05, settle_s=0.3)
LONG_AGO = 1_000_000_000


def put(path: Path, content: bytes = b"x", mtime: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def names(root: Path) -> list[str]:
    return [file.name for file in scan(root)]


@contextmanager
def watching(root: Path, settings: Watch = QUICK) -> Iterator[list[FoundFile]]:
    """Collect what a watch yields, in a thread, until the block ends."""
    found: list[FoundFile] = []
    errors: list[BaseException] = []
    stop = Event()

    def collect() -> None:
        try:
            for file in watch(root, settings, stop):
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


def test_a_scan_finds_every_file_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.wav", "Data/2.wav", "Data/1.wav", "a/deep/er/x.flac", "z", ".hidden"):
        put(tmp_path / name, name.encode())
    assert names(tmp_path) == [".hidden", "Data/1.wav", "Data/2.wav", "a/deep/er/x.flac", "b.wav", "z"]
    assert [file.size for file in scan(tmp_path)] == [len(name) for name in names(tmp_path)]
    assert all(file.mtime_ns == file.path.stat().st_mtime_ns for file in scan(tmp_path))


def test_links_are_not_followed_so_nothing_comes_twice_or_forever(tmp_path: Path) -> None:
    card = tmp_path / "card"
    put(card / "a.wav")
    put(tmp_path / "elsewhere" / "b.wav")
    (card / "link.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    (card / "folder").symlink_to(tmp_path / "elsewhere")
    (card / "loop").symlink_to(card)
    (card / "dangling").symlink_to(tmp_path / "nowhere")
    assert names(card) == ["a.wav"]
    (tmp_path / "mount").symlink_to(card)
    assert names(tmp_path / "mount") == ["a.wav"], "the root itself may be a link"


@pytest.mark.parametrize("there", [None, b"a file"])
def test_without_a_folder_there_is_nothing_to_scan(tmp_path: Path, there: bytes | None) -> None:
    if there:
        put(tmp_path / "card", there)
    with pytest.raises(SourceError, match="mount the card"):
        names(tmp_path / "card")


def test_names_that_are_not_utf8_stay_printable_and_distinct(tmp_path: Path) -> None:
    for name in (b"for\xeat.wav", b"for\xe9t.wav", "forêt.wav".encode()):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    found = list(scan(tmp_path))
    assert len(found) == 3
    assert {"for\\xe9t.wav", "forêt.wav"} < {file.name for file in found}
    for file in found:
        assert file.name.encode()
        assert file.path.read_bytes() == b"x"


def test_a_name_is_short_enough_for_the_wire(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["ab" * 100] * 5)
    put(deep / "a.wav")
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + b"\xff" * 200 + b".wav")))
    found = names(tmp_path)
    assert [len(name) <= 512 for name in found] == [True, True]
    assert all(name.endswith(".wav") for name in found)


def test_a_folder_of_any_depth_is_scanned(tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1_100):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.wav").touch()
        os.chdir(here)
        assert [file.path.name for file in scan(tmp_path)] == ["a.wav"]
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # deeper than pytest could clean up


def test_what_vanishes_during_a_scan_is_passed_over(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c/d.wav", "e.wav"):
        put(tmp_path / name)
    scanning = scan(tmp_path)
    assert next(scanning).name == "a.wav"
    (tmp_path / "b.wav").unlink()
    (tmp_path / "c" / "d.wav").unlink()
    (tmp_path / "c").rmdir()
    assert [file.name for file in scanning] == ["e.wav"]


def test_a_watch_yields_what_is_there_and_what_comes(tmp_path: Path) -> None:
    put(tmp_path / "old.wav", mtime=LONG_AGO)
    with watching(tmp_path) as found:
        eventually(lambda: [file.name for file in found] == ["old.wav"])
        put(tmp_path / "new" / "a.wav")
        eventually(lambda: [file.name for file in found] == ["old.wav", "new/a.wav"])


def test_a_growing_file_is_not_yielded(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.wav", b"")
    with watching(tmp_path, Watch(interval_s=0.05, settle_s=3_600)) as found:
        for number in range(5):
            path.write_bytes(b"x" * number)
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: len(found) == number + 1)
    assert "growing.wav" not in [file.name for file in found]


def test_a_file_that_stopped_growing_is_yielded_whole(tmp_path: Path) -> None:
    path = put(tmp_path / "growing.wav", b"")
    with watching(tmp_path) as found:
        for number in range(10):
            path.write_bytes(b"x" * (number + 1))
            put(tmp_path / f"scanned{number}", mtime=LONG_AGO)
            eventually(lambda number=number: f"scanned{number}" in [file.name for file in found])
        eventually(lambda: [file.size for file in found if file.name == "growing.wav"][-1:] == [10])


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
    with watching(tmp_path, Watch(interval_s=3_600, settle_s=3_600)) as found:
        put(tmp_path / "a.wav")
    assert found == []
