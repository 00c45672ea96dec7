"""A ZIP archive that is sent while it is written."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from anura_edge.results.byte_sink import ByteSink


class StreamingZip:
    """A ZIP archive.

    `take()` returns the bytes written since the last call. `close()` returns the rest.
    """

    def __init__(self) -> None:
        self._sink = ByteSink()
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)

    @contextmanager
    def file(self, name: str) -> Iterator[TextIO]:
        """Open the next file of the archive. Only one file can be open."""
        with self._archive.open(name, "w", force_zip64=True) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
            yield text

    def add(self, name: str, data: bytes) -> None:
        """Add a file that is compressed already, as audio in FLAC is."""
        self._archive.writestr(name, data, zipfile.ZIP_STORED)

    def take(self) -> bytes:
        """Remove and return the pending bytes."""
        return self._sink.take()

    def close(self) -> bytes:
        """Write the central directory and return the last bytes."""
        self._archive.close()
        return self.take()
