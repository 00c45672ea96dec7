"""The plan of a scan: each file with its shard, in one Parquet file. Neither its writer nor its reader holds it all."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from anura_edge.cluster.archive import ArchiveFile, is_url
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.open_file import estimate_span
from anura_edge.sources.metadata.filename import parse_file_name
from anura_edge.sources.metadata.resolve import FILE_NAME, resolve_start

SHARD_BYTES = 1 << 29
"""A shard ends where its files have so many bytes: an hour and a half at 48 kHz. A lost worker repeats one shard."""

SHARD_FILES = 500
"""A shard has at most so many files. Opening a file has a cost, too."""

ROWS_PER_GROUP = 5_000

SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("start_utc", pa.timestamp("us", "UTC")),
        ("duration_s", pa.float64()),
        ("shard", pa.int64()),
    ]
)
"""Columns of the plan. `start_utc` and `duration_s` come from the name and the header. They are null if unknown; the
header of a URL is not read, because each would be a request."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Files that one worker analyses in one piece of work."""

    number: int
    files: tuple[ArchiveFile, ...]

    def key(self, analysis: str) -> str:
        """Identify the files and `analysis`, the model and settings. The part of the shard has this name."""
        digest = blake2b(analysis.encode(), digest_size=16)
        for file in self.files:
            digest.update(repr((file.path, file.name, file.size, file.mtime_ns)).encode())
        return digest.hexdigest()


@dataclass
class _ShardEnd:
    """Decides where a shard ends: by bytes, by files, and with each folder, so that a new folder changes no other."""

    number: int = 0
    files: int = 0
    size: int = 0
    folder: bytes | None = None

    def add(self, file: ArchiveFile) -> int:
        """Return the number of the shard of the next file."""
        folder = os.path.dirname(file.path)  # noqa: PTH120 (the path is bytes)
        is_full = self.size + file.size > SHARD_BYTES or self.files >= SHARD_FILES
        if self.files and (is_full or folder != self.folder):
            self.number, self.files, self.size = self.number + 1, 0, 0
        self.files, self.size, self.folder = self.files + 1, self.size + file.size, folder
        return self.number


def write_plan(path: Path, files: Iterable[ArchiveFile], zone: timezone | None) -> int:
    """Write the plan of the files, in their order, and return their number. It has its name when it is complete."""
    temporary = path.with_name(f".{path.name}.new")
    count, end, rows = 0, _ShardEnd(), list[dict[str, Any]]()
    with pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for file in files:
            start_utc, duration_s = _span(file, zone)
            rows.append(
                {
                    "path": file.path,
                    "name": file.name,
                    "size": file.size,
                    "mtime_ns": file.mtime_ns,
                    "start_utc": start_utc,
                    "duration_s": duration_s,
                    "shard": end.add(file),
                }
            )
            count += 1
            if len(rows) == ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    temporary.replace(path)
    return count


def read_plan(path: Path) -> Iterator[Shard]:
    """Yield the shards of a plan in order."""
    number, files = 0, list[ArchiveFile]()
    with pq.ParquetFile(path) as plan:
        for batch in plan.iter_batches(ROWS_PER_GROUP, columns=["path", "name", "size", "mtime_ns", "shard"]):
            for row in batch.to_pylist():
                if files and row["shard"] != number:
                    yield Shard(number, tuple(files))
                    files.clear()
                number = row.pop("shard")
                files.append(ArchiveFile(**row))
    if files:
        yield Shard(number, tuple(files))


def _span(file: ArchiveFile, zone: timezone | None) -> tuple[datetime | None, float | None]:
    if is_url(file.location):
        name = parse_file_name(Path(file.name).stem)
        return (resolve_start({FILE_NAME: name}, zone, None).start_utc if name.start else None), None
    try:
        return estimate_span(Path(file.location), zone)
    except UnreadableError:  # the analysis reports it
        return None, None
