"""Where messages wait between the network thread and the ingest worker."""

from queue import Queue

from anura_base.ingest import Message

MAX_INBOX_BYTES = 32_000_000
"""Room for all that a broker holds after a night away, yet not for a hostile device to fill our memory."""

OVERHEAD_BYTES = 1_000
"""What a message takes besides its payload, generously."""


class Inbox(Queue[Message]):
    """A queue that is bounded in bytes, not in messages: a status takes 200 bytes, a batch up to a million."""

    def __init__(self) -> None:
        self._bytes = 0
        super().__init__(MAX_INBOX_BYTES)

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: Message) -> None:
        super()._put(item)
        self._bytes += OVERHEAD_BYTES + len(item.payload)

    def _get(self) -> Message:
        item = super()._get()
        self._bytes -= OVERHEAD_BYTES + len(item.payload)
        return item
