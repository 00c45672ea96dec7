"""Writes results in the formats of other programs, and says on the terminal what was written."""

from collections.abc import Iterator
from pathlib import Path

import typer

from anura_edge.cli.progress import with_row_progress
from anura_edge.cli.results import choose_places, read_results
from anura_edge.config.device import Config
from anura_edge.errors import ConfigError
from anura_edge.results.formats.files import RecordingFiles, write_recordings
from anura_edge.results.formats.parquet import check_pyarrow
from anura_edge.results.formats.parts import FilePart, FormatContext
from anura_edge.results.formats.registry import CALL_FORMATS, DEFAULT_FORMATS, FORMATS
from anura_edge.results.journal_source import JournalSource
from anura_edge.results.new_file import replace_file
from anura_edge.results.rows import RowFilter

EXAMPLES = 3


def parse_formats(text: str | None) -> list[str]:
    """Return the names of formats, which commas separate. None: the usual ones.

    Raises ConfigError for an unknown one, or for one that needs a package that is not installed.
    """
    if text is None:
        return [*DEFAULT_FORMATS]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FORMATS]:
        raise ConfigError(f"--format {unknown[0]!r}: no such format; the formats are {', '.join(FORMATS)}")
    if any(name.startswith("parquet") for name in names):
        check_pyarrow()
    return names


def write_formats(settings: Config, names: list[str], out: Path, recordings: Path, *, per_recording: bool) -> None:
    """Write the results in the journal into a folder, in each of the formats. Files of earlier runs are replaced.

    Label tracks for Audacity are always one for each recording.

    Raises ConfigError if a file cannot be written; JournalError without results.
    """
    with read_results(settings, RowFilter(), choose_places(settings), by_night=False) as results:
        context = FormatContext(results.places, str(recordings.absolute()))
        source = JournalSource(results.reader, context)
        for name in names:
            if name in CALL_FORMATS and (per_recording or name == "audacity"):
                files = write_per_recording(name, source, out / name)
                typer.echo(f"{out / name}: {files}", err=True)
            else:
                file = out / f"{name}.{FORMATS[name].suffix}"
                parts = FormatParts(name, source)
                replace_file(file, parts)
                typer.echo(f"{file}: {parts.rows_text}", err=True)


class FormatParts:
    """The bytes of a file in a format, in parts. They are shown as progress, and their rows are counted."""

    def __init__(self, name: str, source: JournalSource) -> None:
        self._name, self._source, self.rows = name, source, 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts.

        Raises ConfigError if the format needs what is missing.
        """
        form, source = FORMATS[self._name], self._source
        total = source.reader.count("event" if form.of_calls else "effort")
        for part in with_row_progress(form.write(source, source.context), total, _rows_of, self._name):
            self.rows += part.rows
            yield part.data

    @property
    def rows_text(self) -> str:
        """How many rows were written."""
        return f"{self.rows:,} {'calls' if FORMATS[self._name].of_calls else 'rows'}"


def write_per_recording(name: str, source: JournalSource, folder: Path) -> str:
    """Write a file for each recording with calls. Return what was done.

    Raises ConfigError if a file cannot be written.
    """
    calls = with_row_progress(source.calls(), source.reader.count("event"), lambda _: 1, name)
    files = write_recordings(name, calls, source.context, folder)
    _report_others(folder, files)
    unchanged = f", {files.unchanged:,} of them as before" if files.unchanged else ""
    return f"{files.written + files.unchanged:,} files{unchanged}"


def _report_others(folder: Path, files: RecordingFiles) -> None:
    if files.others:
        examples = ", ".join(files.others[:EXAMPLES])
        typer.echo(
            f"anura-edge: {folder} has {len(files.others):,} other files, as {examples}: they are of no recording with"
            " calls; delete them if an earlier run wrote them",
            err=True,
        )


def _rows_of(part: FilePart) -> int:
    return part.rows
