"""Writes a new file under a temporary name. It gets its own name when it is complete, so no half file looks whole."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from anura_edge.errors import ConfigError

PARTIAL_SUFFIX = ".part"


@contextmanager
def create_file(file: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing. After an error, or a kill, no file with this name exists.

    Raises ConfigError if the file exists or cannot be written.
    """
    with partial_file(file) as partial, partial.open("wb") as output:
        yield output


@contextmanager
def partial_file(file: Path) -> Iterator[Path]:
    """Create an empty file next to `file` that only its owner can read. At the end, rename it to `file`.

    Raises ConfigError if `file` exists or cannot be written.
    """
    refuse_existing(file)
    partial = file.with_name(file.name + PARTIAL_SUFFIX)
    try:
        _delete(partial)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it may contain secrets
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        _rename(partial, file)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}; choose a writable folder with free space") from error
    finally:
        _delete(partial)


def refuse_existing(file: Path) -> None:
    """Raise ConfigError if the file exists."""
    if os.path.lexists(file):
        raise ConfigError(f"{file} exists already; choose another name")


def replace_file(file: Path, parts: Iterable[bytes]) -> None:
    """Write a file whole or not at all, in place of one of an earlier run.

    Raises ConfigError if it cannot be written.
    """
    make_folder(file.parent)
    partial = file.with_name(file.name + PARTIAL_SUFFIX)
    try:
        with partial.open("wb") as output:
            output.writelines(parts)
            output.flush()
            os.fsync(output.fileno())
        partial.replace(file)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}; choose a writable folder with free space") from error
    finally:
        partial.unlink(missing_ok=True)


def has_bytes(file: Path, data: bytes) -> bool:
    """Return whether a file exists and has these bytes, so that it need not be written again."""
    try:
        return file.stat().st_size == len(data) and file.read_bytes() == data
    except OSError:
        return False


def make_folder(folder: Path) -> None:
    """Make a folder, unless it exists.

    Raises ConfigError if that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}; choose another one") from error


def file_stem(name: str) -> str:
    """Return a name of the data as a part of a file name: letters, digits, `_` and `-`."""
    return re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_")[:80] or "unnamed"


def _rename(partial: Path, file: Path) -> None:
    try:
        os.link(partial, file)  # Unlike a rename, this never replaces a file.
    except FileExistsError:
        refuse_existing(file)
        raise
    except OSError:  # a FAT or exFAT disk has no links
        refuse_existing(file)
        partial.rename(file)


def _delete(partial: Path) -> None:
    # SQLite writes the others next to a database.
    for suffix in ("", "-wal", "-shm", "-journal"):
        partial.with_name(partial.name + suffix).unlink(missing_ok=True)
