"""Simulates a power cut: unsynced writes are lost.

powercut.c records all file operations of a process below a folder. When the process has ended, the folder still has
all of them, because the machine kept running. `apply_power_cut` changes the folder to what a disk would contain after
the cut. Synced data is there. Unsynced data may be lost in several ways: see `Loss`.

File names behave as on ext4 and XFS: creations, removals and renames keep their order, and each sync makes all earlier
ones permanent.
"""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

_SOURCE = Path(__file__).with_name("powercut.c")
_HEAD = struct.Struct("<c3xIqQ")
_SECTOR = 512
"""The unit that a drive writes in one step. A longer write can be torn between two sectors."""


class Loss(StrEnum):
    """What remains of the unsynced writes after a power cut."""

    NONE = "none"
    """All survive."""
    ALL = "all"
    """None survives."""
    TAIL = "tail"
    """The first ones survive, up to a random one."""
    SCATTERED = "scattered"
    """A random half survives: a drive writes its cache in any order."""
    TORN = "torn"
    """The first ones survive, and the last of them only in part."""
    GARBLED = "garbled"
    """The first ones survive, and the last of them has a few flipped bits."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One file operation of a process."""

    kind: str
    """W(rite), T(runcate), S(ync), F(ailed sync), C(reate), U(nlink), R(ename)."""
    path: Path
    offset: int
    """For a truncation, the new length."""
    data: bytes
    """For a rename, the new path."""


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    unsynced: list[Operation] = field(default_factory=list)


def build_recorder(folder: Path) -> Path:
    """Compile powercut.c with gcc. Return the library to preload."""
    library = folder / "powercut.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


def read_log(path: Path) -> Iterator[Operation]:
    """Yield the recorded operations. An incomplete record at the end is left out."""
    log, at = (path.read_bytes() if path.exists() else b""), 0
    while at + _HEAD.size <= len(log):
        kind, path_length, offset, length = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        name, data = log[at : at + path_length], log[at + path_length : at + path_length + length]
        at += path_length + length
        if at <= len(log):
            yield Operation(kind.decode(), Path(name.decode()), offset, data)


def copy_folder(folder: Path, to: Path) -> Path:
    """Copy a folder, and replace an earlier copy."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to) if folder.exists() else to.mkdir(parents=True)
    return to


def apply_power_cut(before: Path, log: Path, folder: Path, loss: Loss, choice: random.Random) -> int:
    """Change `folder` to what the power cut leaves. `log` was recorded on it, and `before` is its first content.

    Return the number of operations that were not synced at the cut.
    """
    files = {folder / path.relative_to(before): _File(bytearray(path.read_bytes())) for path in _files_in(before)}
    names = dict(files)
    synced_names = dict(files)
    unsynced: list[tuple[_File | None, Operation]] = []
    for operation in read_log(log):
        match operation.kind:
            case "S":
                file = names.get(operation.path, _File())  # a folder has only names
                for change in file.unsynced:
                    _apply(file.synced, change)
                file.unsynced.clear()
                unsynced = [(each, change) for each, change in unsynced if each is not None and each is not file]
                synced_names = dict(names)
            case "F":
                file = names.get(operation.path, _File())
                file.unsynced.clear()
                unsynced = [(each, change) for each, change in unsynced if each is not file]
            case "W" | "T":
                file = names.setdefault(operation.path, _File())
                file.unsynced.append(operation)
                unsynced.append((file, operation))
            case _:
                _rename(names, operation)
                unsynced.append((None, operation))
    for written, operation in _survivors(unsynced, loss, choice):
        if written is None:
            _rename(synced_names, operation)
        else:
            _apply(written.synced, operation)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, file in synced_names.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.synced)
    return len(unsynced)


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))


def _rename(names: dict[Path, _File], operation: Operation) -> None:
    match operation.kind:
        case "C":
            names[operation.path] = _File()
        case "U":
            names.pop(operation.path, None)
        case "R" if operation.path in names:
            names[Path(operation.data.decode())] = names.pop(operation.path)


def _apply(content: bytearray, operation: Operation) -> None:
    end = operation.offset + len(operation.data)
    content.extend(bytes(max(0, end - len(content))))
    if operation.kind == "T":
        del content[operation.offset :]
    else:
        content[operation.offset : end] = operation.data


def _survivors(
    unsynced: list[tuple[_File | None, Operation]], loss: Loss, choice: random.Random
) -> list[tuple[_File | None, Operation]]:
    if loss == Loss.NONE:
        return unsynced
    if loss == Loss.ALL:
        return []
    if loss == Loss.SCATTERED:  # names keep their order, data does not
        kept_names = choice.randrange(len(unsynced) + 1)
        return [
            each for n, each in enumerate(unsynced) if (n < kept_names if each[0] is None else choice.random() < 0.5)
        ]
    kept = unsynced[: choice.randrange(len(unsynced) + 1)]
    if kept and kept[-1][1].data and kept[-1][0] and loss in (Loss.TORN, Loss.GARBLED):
        file, last = kept[-1]
        kept[-1] = file, Operation(last.kind, last.path, last.offset, _damage(last.data, loss, choice))
    return kept


def _damage(data: bytes, loss: Loss, choice: random.Random) -> bytes:
    if loss == Loss.TORN:
        return data[: _SECTOR * choice.randrange(len(data) // _SECTOR + 1)]
    garbled = bytearray(data)
    for _ in range(3):
        garbled[choice.randrange(len(garbled))] ^= 1 << choice.randrange(8)
    return bytes(garbled)
