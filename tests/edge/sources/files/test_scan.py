"""A scan finds every regular file, in order, and says what it left out."""

import os
import subprocess
from pathlib import Path

import pytest
from support import tmpfs

from anura_edge.errors import SourceError
from anura_edge.sources.files.scan import scan


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(root: Path) -> list[str]:
    return [file.name for file in scan(root)]


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


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert names(tmp_path) == ["a.wav"]


def test_what_operating_systems_keep_on_a_card_is_not_heard(tmp_path: Path) -> None:
    ours = ["Data/a.wav", "Data/b._c.wav"]
    theirs = ["Data/._a.wav", ".Trash-1000/files/a.wav", "$RECYCLE.BIN/a.wav", "System Volume Information/a.wav"]
    for name in ours + theirs:
        put(tmp_path / name)
    assert names(tmp_path) == ours


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_heard(tmp_path: Path) -> None:
    here = Path.cwd()
    put(tmp_path / "b.wav")
    os.chdir(tmp_path)
    try:
        for _ in range(20):  # a path longer than the operating system takes
            Path("a" * 250).mkdir()
            os.chdir("a" * 250)
        Path("a.wav").touch()
        os.chdir(here)
        left: list[tuple[str, str, int]] = []
        assert [file.name for file in scan(tmp_path, lambda *what: left.append(what))] == ["b.wav"]
        ((reason, detail, count),) = left
        assert (reason, count) == ("folder", 1)
        assert detail.endswith("File name too long; what is in it was not heard")
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / ("a" * 250)], check=True)


def test_another_file_system_below_is_told_and_not_entered(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "mounted").mkdir()
    with tmpfs(tmp_path / "mounted"):
        put(tmp_path / "mounted" / "b.wav")
        left: list[str] = []
        assert [file.name for file in scan(tmp_path, lambda reason, *_: left.append(reason))] == ["a.wav"]
        assert left == ["file_system"]
        assert names(tmp_path / "mounted") == ["b.wav"]
