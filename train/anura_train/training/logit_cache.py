"""What teachers said, on disk, by a hash of who they are and what they heard."""

import io
import sqlite3
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError

WAIT_S = 600.0
"""Trainings that run side by side may share a file; each keeps it for the moment of one write."""


class LogitCache:
    """A file of arrays by key. Losing it costs time alone."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; ModelError when that cannot be done."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS said (sound BLOB PRIMARY KEY, logits BLOB NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ModelError(f"cannot remember what teachers say in {path}: {error}; delete it, or free it") from error

    def get(self, key: bytes) -> FloatArray | None:
        """Return what was put under a key."""
        found = self._database.execute("SELECT logits FROM said WHERE sound = ?", [key]).fetchone()
        return np.load(io.BytesIO(found[0]), allow_pickle=False) if found else None

    def put(self, key: bytes, logits: FloatArray) -> None:
        """Keep an array."""
        content = io.BytesIO()
        np.save(content, logits)
        self._database.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", [key, content.getvalue()])
