"""Cache of teachers' logits on disk. The key is a hash of the teachers and of the audio."""

import io
import sqlite3
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError

TIMEOUT_S = 600.0
"""Several trainings may share a file. Each locks it for one write only."""


class LogitCache:
    """An SQLite file of arrays by key. Deleting it costs computing time only."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; ModelError when that fails."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=TIMEOUT_S, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS logits (key BLOB PRIMARY KEY, logits BLOB NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ModelError(f"cannot open the cache of teachers' logits {path}: {error}; delete it") from error

    def get(self, key: bytes) -> FloatArray | None:
        """Return the array of a key; None where there is none."""
        found = self._database.execute("SELECT logits FROM logits WHERE key = ?", [key]).fetchone()
        return np.load(io.BytesIO(found[0]), allow_pickle=False) if found else None

    def put(self, key: bytes, logits: FloatArray) -> None:
        """Store an array."""
        content = io.BytesIO()
        np.save(content, logits)
        self._database.execute("INSERT OR REPLACE INTO logits VALUES (?, ?)", [key, content.getvalue()])
