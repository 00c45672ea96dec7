"""A binary file object for writers that produce a file in parts."""

import io


class ByteSink(io.RawIOBase):
    """Write-only, unseekable sink.

    `take()` removes and returns the pending bytes; `tell()` counts all bytes ever written.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._taken_bytes = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Append bytes to the pending ones. Return their number."""
        self._pending += data
        return len(data)

    def tell(self) -> int:
        """Return the number of all bytes ever written."""
        return self._taken_bytes + len(self._pending)

    def take(self) -> bytes:
        """Remove and return the pending bytes."""
        taken = bytes(self._pending)
        self._pending.clear()
        self._taken_bytes += len(taken)
        return taken
