"""A disk that loses what was not synced: plays the power cut that a process died of.

powercut.c records every operation of a process on the files below a folder. After its death the folder still holds
all of them, because the machine lives on; `cut` makes it what a disk would hold after the power came back. What was
synced is there. Of what was not, a drive may have written anything: see `Loss`.

Names follow ext4 and XFS: creations, removals and renames are kept in order, and any sync makes all earlier ones last.
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
"""What a drive writes at once; a longer write can be torn between two of them."""


class Loss(StrEnum):
    """What a power cut leaves of the writes that were not synced."""

    NONE = "none"
    """All survive."""
    ALL = "all"
    """None survives."""
    TAIL = "tail"
    """The first ones survive, up to a random one."""
    SCATTERED = "scattered"
    """A random half survives: a drive's cache is written in any order."""
    TORN = "torn"
    """The first ones survive, the last of these in part."""
    GARBLED = "garbled"
    """The first ones survive, and in the last of these a few bits are flipped."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a process asked of its disk."""

    kind: str
    """W(rite), T(runcate), S(ync), F(ailed sync), C(reate), U(nlink), R(ename)."""
    path: Path
    offset: int
    """For a truncation, the new length."""
    data: bytes
    """For a renaming, the new path."""


@dataclass(slots=True)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    loose: list[Operation] = field(default_factory=list)


def build(folder: Path) -> Path:
    """Compile the recorder; return the library to preload. Needs gcc."""
    library = folder / "powercut.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


def read_log(path: Path) -> Iterator[Operation]:
    """Read what was recorded; a record that its process could not finish any more is left out."""
    log, at = (path.read_bytes() if path.exists() else b""), 0
    while at + _HEAD.size <= len(log):
        kind, path_length, offset, length = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        name, data = log[at : at + path_length], log[at + path_length : at + path_length + length]
        at += path_length + length
        if at <= len(log):
            yield Operation(kind.decode(), Path(name.decode()), offset, data)


def copy(folder: Path, to: Path) -> Path:
    """Copy a folder as it is, in place of what was copied before."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to) if folder.exists() else to.mkdir(parents=True)
    return to


def cut(before: Path, log: Path, folder: Path, loss: Loss, choice: random.Random) -> int:
    """Make `folder`, on which `log` was recorded, what the cut left of it; `before` is how it began.

    Returns the number of operations that were not safe when the power went.
    """
    files = {folder / path.relative_to(before): _File(bytearray(path.read_bytes())) for path in _files_in(before)}
    names = dict(files)
    safe_names = dict(files)
    loose: list[tuple[_File | None, Operation]] = []
    for operation in read_log(log):
        match operation.kind:
            case "S":
                file = names.get(operation.path, _File())  # a folder holds nothing but names
                for change in file.loose:
                    _apply(file.safe, change)
                file.loose.clear()
                loose = [(each, change) for each, change in loose if each is not None and each is not file]
                safe_names = dict(names)
            case "F":
                file = names.get(operation.path, _File())
                file.loose.clear()
                loose = [(each, change) for each, change in loose if each is not file]
            case "W" | "T":
                file = names.setdefault(operation.path, _File())
                file.loose.append(operation)
                loose.append((file, operation))
            case _:
                _rename(names, operation)
                loose.append((None, operation))
    for written, operation in _survivors(loose, loss, choice):
        if written is None:
            _rename(safe_names, operation)
        else:
            _apply(written.safe, operation)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path, file in safe_names.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.safe)
    return len(loose)


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
    loose: list[tuple[_File | None, Operation]], loss: Loss, choice: random.Random
) -> list[tuple[_File | None, Operation]]:
    if loss == Loss.NONE:
        return loose
    if loss == Loss.ALL:
        return []
    if loss == Loss.SCATTERED:  # the file system keeps the order of names, the drive not that of the data
        kept_names = choice.randrange(len(loose) + 1)
        return [each for n, each in enumerate(loose) if (n < kept_names if each[0] is None else choice.random() < 0.5)]
    kept = loose[: choice.randrange(len(loose) + 1)]
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
