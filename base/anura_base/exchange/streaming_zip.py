"""A ZIP that leaves as it is written."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from anura_base.exchange.byte_sink import Outlet


class Zipped:
    """Files go in one after another, bytes come out. `close` at the end."""

    def __init__(self) -> None:
        self._out = Outlet()
        self._archive = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED)

    @contextmanager
    def file(self, name: str) -> Iterator[TextIO]:
        """Open the next file, for text."""
        with self._archive.open(name, "w", force_zip64=True) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
            yield text

    def take(self) -> bytes:
        """Take out what has come so far."""
        return self._out.take()

    def close(self) -> bytes:
        """Write what belongs to the end; return what is left to take out."""
        self._archive.close()
        return self.take()
