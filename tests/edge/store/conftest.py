"""A journal in a folder of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from identities import make_identity

from anura_edge.audio import Recording
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


@pytest.fixture
def analysed_file(recording: Recording) -> AnalysedFile:
    return AnalysedFile(recording, 1_000, make_identity(recording.id), b"a fingerprint", is_whole=True)
