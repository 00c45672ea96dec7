"""Gives a decoder the audio of a file up to a gap, behind a header with true sizes. The file is never changed."""

import io
from typing import BinaryIO

from anura_edge.sources.formats.layout import AudioLayout


class RepairedFile(io.RawIOBase):
    """A view of a file: `layout.repaired_header` instead of its own header, and then its audio up to a gap."""

    def __init__(self, file: BinaryIO, layout: AudioLayout) -> None:
        super().__init__()
        self._file, self._header, self._at = file, layout.repaired_header, 0
        self._offset = layout.extent.offset if layout.repaired_header else 0
        end = layout.extent.end if layout.gap_at is None else layout.gap_at
        self._size = len(self._header) + end - self._offset

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read at any position."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Set the position, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Read bytes at the position, and return how many."""
        count = max(0, min(len(buffer), self._size - self._at))
        if self._at < len(self._header):
            count = min(count, len(self._header) - self._at)
            content = self._header[self._at : self._at + count]
        else:
            self._file.seek(self._offset + self._at - len(self._header))
            content = self._file.read(count)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
