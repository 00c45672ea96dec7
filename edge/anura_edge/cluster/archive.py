"""The files of an archive: of a folder, or of a URL that fsspec knows, as `s3://bucket/folder`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from anura_edge.errors import ConfigError, SourceError, UnreadableError
from anura_edge.sources.files.identity import PIECE_BYTES
from anura_edge.sources.files.open_file import check_kind
from anura_edge.sources.files.regular_file import INTERRUPTED
from anura_edge.sources.files.scan import SYSTEM_NAMES, SYSTEM_PREFIXES, OnSkipped, printable, scan
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file and its metadata at the time of the plan."""

    path: bytes
    """Its path, whose name need not be UTF-8, or its URL."""
    name: str
    """Readable path below the archive."""
    size: int
    mtime_ns: int

    @property
    def location(self) -> str:
        """The path or URL, as Python's functions take it."""
        return os.fsdecode(self.path)


def is_url(archive: str) -> bool:
    """Return whether an archive is opened by fsspec, and not a folder of this machine."""
    return "://" in archive


def list_archive(archive: str, on_skipped: OnSkipped) -> Iterator[ArchiveFile]:
    """Yield each file in the order of names. Memory grows with the largest folder only.

    Raises SourceError if the archive cannot be read; ConfigError if a URL needs a package that is missing.
    """
    if is_url(archive):
        yield from _list_url(archive)
        return
    for file in scan(Path(archive), on_skipped):
        yield ArchiveFile(os.fsencode(file.path), file.name, file.size, file.mtime_ns)


@contextmanager
def local_copy(file: ArchiveFile) -> Iterator[Path]:
    """Give a path under which the file can be read: its own, or that of a temporary copy of a URL's content.

    Raises UnreadableError if it cannot be read, or is not the file of the plan any more.
    """
    if not is_url(file.location):
        _check_unchanged(file)
        yield Path(file.location)
        return
    with TemporaryDirectory(prefix="anura-edge-") as folder:
        copy = Path(folder) / PurePosixPath(file.location).name
        try:
            _download(file, copy)
        except UnreadableError:
            raise
        except Exception as error:  # each file system of fsspec has its own exceptions
            raise UnreadableError(INTERRUPTED, f"{file.location}: {error}") from error
        yield copy


def _check_unchanged(file: ArchiveFile) -> None:
    try:
        status = Path(file.location).stat()
    except OSError as error:
        raise UnreadableError(INTERRUPTED, f"{file.location}: {error.strerror}; is it mounted here?") from error
    if status.st_size != file.size:
        raise UnreadableError(INTERRUPTED, f"{file.location} has changed since the plan was made; scan again")


def _download(file: ArchiveFile, copy: Path) -> None:
    """Copy a file. One that is not audio, by its name and its first bytes, is not read further."""
    system, path = _open_url(file.location)
    if copy.suffix.lower() not in AUDIO_SUFFIXES:
        copy.write_bytes(system.cat_file(path, start=0, end=PIECE_BYTES))
        check_kind(copy)
    system.get_file(path, str(copy))
    if copy.stat().st_size != file.size:
        raise UnreadableError(INTERRUPTED, f"{file.location} has changed since the plan was made; scan again")
    os.utime(copy, ns=(file.mtime_ns, file.mtime_ns))


def _list_url(archive: str) -> Iterator[ArchiveFile]:
    system, root = _open_url(archive)
    try:
        stack = _listing(system, root)
    except Exception as error:  # each file system of fsspec has its own exceptions
        raise SourceError(f"cannot read {archive}: {error}; check the address and the access rights") from error
    while stack:
        entry = stack.pop()
        path = str(entry["name"])
        if entry["type"] == "directory":
            stack += _listing(system, path)
        else:
            name = printable(Path(path.removeprefix(root).lstrip("/")))
            url = system.unstrip_protocol(path)
            yield ArchiveFile(os.fsencode(url), name, int(entry["size"]), _mtime_ns(entry))


def _listing(system: Any, folder: str) -> list[dict[str, Any]]:  # noqa: ANN401 (fsspec has no types)
    """Return the entries of a folder as a stack: the first name is on top."""
    entries = [(PurePosixPath(entry["name"]).name, entry) for entry in system.ls(folder, detail=True)]
    kept = [
        (name, entry)
        for name, entry in entries
        if name not in SYSTEM_NAMES and not name.startswith(SYSTEM_PREFIXES) and entry["name"] != folder
    ]
    return [entry for _, entry in sorted(kept, key=lambda each: each[0], reverse=True)]


def _mtime_ns(entry: dict[str, Any]) -> int:
    """Return when a file was written. The file systems of fsspec have no common key for it."""
    time = next((entry[key] for key in ("LastModified", "mtime", "updated", "last_modified") if entry.get(key)), 0)
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return round(float(seconds) * 1e9) if isinstance(seconds, int | float) else 0


def _open_url(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it. Keys and endpoints come from fsspec's own configuration."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"cannot open {url}: {error}; for S3 install s3fs, for other stores see fsspec") from error
    return system, str(path)
