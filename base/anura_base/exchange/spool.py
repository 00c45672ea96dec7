"""A temporary file between a job that writes as fast as it can and a reader that may be slow.

A transaction that reads keeps SQLite from reusing its write-ahead log, which then grows. So an export may not last as
long as its reader needs, who may even stop.
"""

import os
import tempfile
import threading
from collections.abc import Iterator

READ_BYTES = 64 * 1024


class Spool:
    """A temporary file that is read while it is written. The folder is the one of TMPDIR.

    `fill` and `read` each run once, in different threads. The file disappears after `read`.
    """

    def __init__(self) -> None:
        """Create the file. Raises OSError if that is impossible."""
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (`read` closes it)
        self._changed = threading.Condition()
        self._written_bytes = 0
        self._is_filled = False
        self._error: Exception | None = None

    def fill(self, parts: Iterator[bytes]) -> None:
        """Write all parts. End early when the reader has gone. An error is raised to the reader."""
        try:
            for part in parts:
                with self._changed:
                    if self._file.closed:
                        break
                    self._write(part)
                    self._changed.notify_all()
        except Exception as error:  # the reader, in another thread, raises it
            self._error = error
        finally:
            with self._changed:
                self._is_filled = True
                self._changed.notify_all()

    def _write(self, part: bytes) -> None:
        left = memoryview(part)
        while left:
            written = os.pwrite(self._file.fileno(), left, self._written_bytes)
            self._written_bytes += written
            left = left[written:]

    def read(self) -> Iterator[bytes]:
        """Yield the content as it is written. Raises the error that ended `fill`."""
        position = 0
        try:
            while data := self._wait_for_data(position):
                position += len(data)
                yield data
            if self._error:
                raise self._error
        finally:
            with self._changed:
                self._file.close()

    def _wait_for_data(self, position: int) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._is_filled or self._written_bytes > position)
        return os.pread(self._file.fileno(), READ_BYTES, position)
