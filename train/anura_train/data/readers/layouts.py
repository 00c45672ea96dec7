"""Reads a folder in one of the supported layouts."""

from collections.abc import Callable
from pathlib import Path

from anura_train.data.corpus import Corpus
from anura_train.data.findings import MISSING, Findings
from anura_train.data.readers.anuraset import read_minutes, read_windows
from anura_train.data.readers.csv_tables import RECORDINGS, read_tables
from anura_train.data.readers.esc50 import read_split_table
from anura_train.data.readers.frogs import read_frogs
from anura_train.data.readers.selection_tables import read_audacity_folder, read_raven_folder

LAYOUTS: dict[str, Callable[[Path, Findings], Corpus]] = {
    "folder": read_tables,
    "frogs": read_frogs,
    "anuraset-raw": read_minutes,
    "anuraset-windows": read_windows,
    "raven": read_raven_folder,
    "audacity": read_audacity_folder,
    "esc": read_split_table,
    "insectset32": read_split_table,
}
"""Layout -> its reader. docs/reference/datasets.md describes the layouts."""


def read_corpus(root: Path) -> Corpus:
    """Read a folder with recordings.csv, or one with frogs/, background/ and esc10/.

    Raises SourceError that names every invalid row with table, line and column, and every missing recording.
    """
    findings = Findings()
    corpus = LAYOUTS[layout_of(root)](root, findings)
    for recording in corpus.recordings:
        if not recording.path.is_file():
            findings.error(recording.path, MISSING)
    findings.raise_if_errors()
    return corpus


def layout_of(root: Path) -> str:
    """Return the layout that `anura-train fit` uses for a folder."""
    return "folder" if (root / RECORDINGS).is_file() else "frogs"
