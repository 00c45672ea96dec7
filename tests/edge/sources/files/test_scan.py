"""A scan finds every regular file, in order, and reports skip it skips."""

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


def test_files_are_found_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b.wav", "Data/2.wav", "Data/1.wav", "a/deep/er/x.flac", "z", ".hidden"):
        put(tmp_path / name, name.encode())
    assert names(tmp_path) == [".hidden", "Data/1.wav", "Data/2.wav", "a/deep/er/x.flac", "b.wav", "z"]
    assert [file.size for file in scan(tmp_path)] == [len(name) for name in names(tmp_path)]
    assert all(file.mtime_ns == file.path.stat().st_mtime_ns for file in scan(tmp_path))


def test_links_are_not_followed(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("content", [None, b"a file"])
def test_missing_folder_is_a_source_error(tmp_path: Path, content: bytes | None) -> None:
    if content:
        put(tmp_path / "card", content)
    with pytest.raises(SourceError, match="mount the card"):
        names(tmp_path / "card")


def test_names_that_are_not_utf8_are_printable_and_distinct(tmp_path: Path) -> None:
    for name in (b"for\xeat.wav", b"for\xe9t.wav", "forêt.wav".encode()):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    found = list(scan(tmp_path))
    assert len(found) == 3
    assert {"for\\xe9t.wav", "forêt.wav"} < {file.name for file in found}
    for file in found:
        assert file.name.encode()
        assert file.path.read_bytes() == b"x"


def test_long_name_is_cut_for_the_wire(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["ab" * 100] * 5)
    put(deep / "a.wav")
    put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + b"\xff" * 200 + b".wav")))
    found = names(tmp_path)
    assert [len(name) <= 512 for name in found] == [True, True]
    assert all(name.endswith(".wav") for name in found)


def test_deeply_nested_folder_is_scanned(tmp_path: Path) -> None:
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
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # too deep for pytest's clean-up


def test_file_deleted_during_a_scan_is_skipped(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c/d.wav", "e.wav"):
        put(tmp_path / name)
    scanning = scan(tmp_path)
    assert next(scanning).name == "a.wav"
    (tmp_path / "b.wav").unlink()
    (tmp_path / "c" / "d.wav").unlink()
    (tmp_path / "c").rmdir()
    assert [file.name for file in scanning] == ["e.wav"]


def test_pipe_is_skipped(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert names(tmp_path) == ["a.wav"]


def test_system_files_are_skipped(tmp_path: Path) -> None:
    recordings = ["Data/a.wav", "Data/b._c.wav"]
    system_files = ["Data/._a.wav", ".Trash-1000/files/a.wav", "$RECYCLE.BIN/a.wav", "System Volume Information/a.wav"]
    for name in recordings + system_files:
        put(tmp_path / name)
    assert names(tmp_path) == recordings


def test_unreadable_folder_is_reported_and_others_are_scanned(tmp_path: Path) -> None:
    here = Path.cwd()
    put(tmp_path / "b.wav")
    os.chdir(tmp_path)
    try:
        for _ in range(20):  # a path longer than the operating system allows
            Path("a" * 250).mkdir()
            os.chdir("a" * 250)
        Path("a.wav").touch()
        os.chdir(here)
        skipped: list[tuple[str, str, int]] = []
        assert [file.name for file in scan(tmp_path, lambda *reported: skipped.append(reported))] == ["b.wav"]
        ((reason, detail, count),) = skipped
        assert (reason, count) == ("folder", 1)
        assert detail.endswith("File name too long; its content was not analysed")
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / ("a" * 250)], check=True)


def test_mounted_file_system_is_reported_and_skipped(tmp_path: Path) -> None:
    put(tmp_path / "a.wav")
    (tmp_path / "mounted").mkdir()
    with tmpfs(tmp_path / "mounted"):
        put(tmp_path / "mounted" / "b.wav")
        skipped: list[str] = []
        assert [file.name for file in scan(tmp_path, lambda reason, *_: skipped.append(reason))] == ["a.wav"]
        assert skipped == ["file_system"]
        assert names(tmp_path / "mounted") == ["b.wav"]
