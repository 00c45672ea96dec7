"""Merges the parts, in the order of the plan, into a journal and tables: the rows of a scan on one machine.

The rules about copies and parts of recordings are those of the scan: the same history decides.
"""

import shutil
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from anura_edge.cluster.part import FileResult
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.open_file import OTHER_FILE
from anura_edge.sources.files.scan import FoundFile
from anura_edge.store.journal import Journal
from anura_edge.store.rows import column_dicts
from anura_edge.store.run_summary import RunSummary
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.store.writer import ResultWriter
from anura_edge.wire import Owner, Provenance

EVENTS, EFFORT, SET_ASIDE = "events.parquet", "effort.parquet", "set_aside.parquet"
JOURNAL = "journal.db"

PLAN_KEY = b"anura_edge.plan"
"""Metadata of the tables: which parts they contain."""

TABLES = {EVENTS: "event", EFFORT: "effort", SET_ASIDE: "unreadable"}
"""The tables of the journal that become files."""

_INTERNAL = ("checksum", "withdrawn")
"""Columns of the journal that are of no use outside."""

ROWS_PER_GROUP = 50_000


def is_merged(out: Path, plan: str) -> bool:
    """Return whether the tables contain exactly the parts of a plan."""
    try:
        return all(pq.read_schema(out / name).metadata.get(PLAN_KEY) == plan.encode() for name in TABLES)
    except (OSError, AttributeError, pa.ArrowException):
        return False


def merge(out: Path, plan: str, results: Iterable[FileResult], provenance: Provenance, owner: Owner) -> RunSummary:
    """Write the journal and the tables anew. They have their names when they are complete. Return what they contain."""
    folder = out / ".merging"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    journal = Journal(folder / JOURNAL, owner)
    writer = ResultWriter(journal, provenance, lambda _: None, lambda: None)
    history = ScanHistory(journal.database, provenance.model_sha256)
    for result in results:
        _write(result, writer, history)
    writer.close()
    for name, table in TABLES.items():
        _write_table(folder / name, journal, table, plan)
    writer.summary.finish(journal.outbox.pending_count(), "no broker is set")
    journal.close()
    for name in (JOURNAL, EVENTS, EFFORT, SET_ASIDE):
        (folder / name).replace(out / name)
    shutil.rmtree(folder)
    return writer.summary


def _write(result: FileResult, writer: ResultWriter, history: ScanHistory) -> None:
    """Store the result of a file, as `app.scan_files` does, unless the audio is known from another file."""
    file = FoundFile(Path(result.name), result.name, result.size, result.mtime_ns)
    if result.recording and result.identity:
        previous = history.find(result.identity)
        if previous and (previous.is_same or previous.is_better):
            writer.summary.add_known(is_unreadable=not previous.is_whole, has_other_settings=False)
            return
        done = AnalysedFile(
            result.recording,
            result.size,
            result.identity,
            None,
            is_whole=not result.error,
            replaces=previous.recording if previous else None,
            analysis=result.analysis,
        )
        writer.write([PipelineOutput(result.events, result.efforts)], done)
        writer.summary.add_new(0.0)
    if result.error:
        _write_unreadable(file, result.error, writer)


def _write_unreadable(file: FoundFile, error: UnreadableError, writer: ResultWriter) -> None:
    if error.reason == "interrupted":
        writer.leave_for_next_scan(error.reason, str(error))
    elif error.reason != OTHER_FILE:
        writer.write_unreadable(file, error)


def _write_table(path: Path, journal: Journal, table: str, plan: str) -> None:
    """Write a table of the journal as Parquet, in the order of time."""
    with journal.database.reading() as db:
        declared = db.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
        types = {name: _type(name, kind) for name, kind in declared if name not in _INTERNAL}
        schema = pa.schema(list(types.items())).with_metadata({PLAN_KEY: plan})
        order = "start_utc, id" if "start_utc" in types else "name"
        rows = column_dicts(db.execute(f"SELECT {', '.join(types)} FROM {table} ORDER BY {order}"))
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while group := list(map(_values, islice(rows, ROWS_PER_GROUP))):
                writer.write_table(pa.Table.from_pylist(group, schema))


def _type(name: str, declared: str) -> pa.DataType:
    if name.endswith("_utc"):
        return pa.timestamp("us", "UTC")
    if name.startswith("is_"):
        return pa.bool_()
    return {"INTEGER": pa.int64(), "REAL": pa.float64()}.get(declared, pa.string())


def _values(row: dict[str, object]) -> dict[str, object]:
    """Return a row with times and truth values in place of SQLite's texts and numbers."""
    return {
        name: datetime.fromisoformat(str(value))
        if name.endswith("_utc")
        else bool(value)
        if name[:3] == "is_"
        else value
        for name, value in row.items()
    }
