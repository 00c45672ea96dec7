"""From a folder in one of the known layouts to a corpus."""

from pathlib import Path

from anura_train.data.corpus import Corpus
from anura_train.data.findings import Findings
from anura_train.data.folder import RECORDINGS, read_folder
from anura_train.data.frogs import read_frogs


def read_corpus(root: Path) -> Corpus:
    """Read a folder with recordings.csv, or else one with frogs/, background/ and esc10/.

    Raises SourceError naming every bad row, table, line and column, and every recording that is missing.
    """
    findings = Findings()
    corpus = read_any(root, findings)
    check_files(corpus, findings)
    findings.stop_at_faults()
    return corpus


def read_any(root: Path, findings: Findings) -> Corpus:
    """Read what `read_corpus` reads, but note the faults."""
    return read_folder(root, findings) if (root / RECORDINGS).is_file() else read_frogs(root, findings)


def check_files(corpus: Corpus, findings: Findings) -> None:
    """Note every recording that is listed but missing."""
    for recording in corpus.recordings:
        if not recording.path.is_file():
            findings.fault(recording.path, "missing; copy the data set again or delete its row")
