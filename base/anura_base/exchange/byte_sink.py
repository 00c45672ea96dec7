"""Something to write a file into, and to take it out of as it is written: it is never whole anywhere."""

import io


class Outlet(io.RawIOBase):
    """It cannot go back, so nothing that was taken out is needed again; but it knows how far it is."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken_bytes = 0

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Hold some bytes until they are taken."""
        self._held += data
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._taken_bytes + len(self._held)

    def take(self) -> bytes:
        """Take out what has come so far."""
        taken = bytes(self._held)
        self._held.clear()
        self._taken_bytes += len(taken)
        return taken
