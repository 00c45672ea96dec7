"""The simulated disk keeps synced data, and loses unsynced data in each way of `Loss`."""

import random
import struct
import tempfile
from pathlib import Path

import pytest
from faultlab.disk import Loss, apply_power_cut, copy_folder
from hypothesis import given
from hypothesis import strategies as st


def record(kind: str, path: Path, offset: int = 0, data: bytes = b"") -> bytes:
    return struct.pack("<c3xIqQ", kind.encode(), len(str(path)), offset, len(data)) + str(path).encode() + data


def after_cut(folder: Path, *records: bytes, loss: Loss = Loss.ALL) -> dict[str, bytes]:
    (folder / "log").write_bytes(b"".join(records))
    apply_power_cut(
        copy_folder(folder / "disk", folder / "before"), folder / "log", folder / "disk", loss, random.Random(0)
    )
    return {path.name: path.read_bytes() for path in (folder / "disk").iterdir()}


@pytest.mark.parametrize("loss", Loss)
def test_synced_data_survives_every_loss(tmp_path: Path, loss: Loss) -> None:
    file = tmp_path / "disk" / "a"
    records = [record("C", file), record("W", file, 0, b"old"), record("S", file), record("W", file, 5, b"new")]
    assert after_cut(tmp_path, *records, loss=loss)["a"][:3] == b"old"


def test_unsynced_data_is_lost(tmp_path: Path) -> None:
    a, b = tmp_path / "disk" / "a", tmp_path / "disk" / "b"
    records = [record("C", a), record("W", a, 0, b"old"), record("S", a), record("W", a, 1, b"new"), record("C", b)]
    assert after_cut(tmp_path, *records) == {"a": b"old"}


def test_later_sync_does_not_restore_a_failed_one(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "a"
    records = [record("C", file), record("W", file, 0, b"gone"), record("F", file), record("S", file)]
    assert after_cut(tmp_path, *records) == {"a": b""}


def test_rename_lasts_after_the_next_sync(tmp_path: Path) -> None:
    old, new = tmp_path / "disk" / "old", tmp_path / "disk" / "new"
    renamed = [record("C", old), record("W", old, 0, b"x"), record("S", old), record("R", old, 0, str(new).encode())]
    assert after_cut(tmp_path, *renamed) == {"old": b"x"}
    assert after_cut(tmp_path, record("R", old, 0, str(new).encode()), record("S", tmp_path / "disk")) == {"new": b"x"}


@given(st.binary(min_size=1, max_size=5_000), st.integers(), st.sampled_from([Loss.TAIL, Loss.SCATTERED, Loss.TORN]))
def test_surviving_data_was_written(data: bytes, seed: int, loss: Loss) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "disk" / "a"
        (Path(folder) / "log").write_bytes(record("C", file) + record("S", file) + record("W", file, 0, data))
        before = copy_folder(Path(folder) / "disk", Path(folder) / "before")
        apply_power_cut(before, Path(folder) / "log", file.parent, loss, random.Random(seed))
        assert data.startswith(file.read_bytes())
