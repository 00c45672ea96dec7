"""A cache of arrays on disk: logits of teachers, embeddings of frozen networks.

A key is a hash of everything that an array depends on.
"""

import io
import sqlite3
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError

TIMEOUT_S = 600.0
"""Several trainings may share a file. Each locks it for one write only."""


class ArrayCache:
    """An SQLite file of arrays by key. Deleting it costs computing time only."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; ModelError when that fails."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=TIMEOUT_S, isolation_level=None)
            self._database.execute("CREATE TABLE IF NOT EXISTS arrays (key BLOB PRIMARY KEY, content BLOB NOT NULL)")
        except (OSError, sqlite3.Error) as error:
            raise ModelError(f"cannot open the cache {path}: {error}; delete it") from error

    def get(self, key: bytes) -> FloatArray | None:
        """Return the array of a key; None where there is none."""
        found = self._database.execute("SELECT content FROM arrays WHERE key = ?", [key]).fetchone()
        return np.load(io.BytesIO(found[0]), allow_pickle=False) if found else None

    def put(self, key: bytes, array: FloatArray) -> None:
        """Store an array."""
        content = io.BytesIO()
        np.save(content, array)
        self._database.execute("INSERT OR REPLACE INTO arrays VALUES (?, ?)", [key, content.getvalue()])
