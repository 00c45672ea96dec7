"""Where messages wait between the network thread and the ingest worker."""

from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Condition

from anura_base.ingest.batch import RawMessage

MAX_INBOX_BYTES = 32_000_000
"""Room for all that a broker holds after a night away, yet not for hostile devices to fill our memory."""

MAX_DEVICE_BYTES = MAX_INBOX_BYTES // 4
"""One device's share: a thousand times what an honest one has on its way, yet room for the others is left."""

OVERHEAD_BYTES = 1_000
"""What a message takes besides its payload, generously."""

MAX_NAMES = 1_000
"""So many devices are counted by name; a hostile one may think of any number of names."""

OTHERS = "others"


@dataclass(slots=True)
class _Waiting:
    """What waits of one device, in order."""

    messages: deque[RawMessage] = field(default_factory=deque)
    size_bytes: int = 0


class IngestQueue:
    """A queue for each device, of which each is served in its turn. Threads may share it.

    It is bounded in bytes, not in messages: a status takes 200 bytes, a batch up to a million. A device that sends
    faster than can be stored fills its own share, and waits for none but itself.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: dict[str, _Waiting] = {}
        """By device; the next in turn comes first."""
        self._size_bytes = 0
        self.dropped: Counter[str] = Counter()
        """Messages that found no room, by device."""

    def offer(self, message: RawMessage) -> bool:
        """Put a message in, or leave it out and count it if there is no room. It never waits."""
        name, size_bytes = _device(message.topic), _size_bytes(message)
        with self._changed:
            waiting = self._waiting.get(name, _Waiting())
            if self._size_bytes >= MAX_INBOX_BYTES or waiting.size_bytes >= MAX_DEVICE_BYTES:
                known = name in self.dropped or len(self.dropped) < MAX_NAMES
                self.dropped[name if known else OTHERS] += 1
                return False
            self._waiting[name] = waiting
            waiting.messages.append(message)
            waiting.size_bytes += size_bytes
            self._size_bytes += size_bytes
            self._changed.notify()
            return True

    def take(self, max_messages: int, max_bytes: int, timeout_s: float) -> list[RawMessage]:
        """Take the next messages out, one of each device by turns; none if none comes in time.

        They are no more than `max_messages`, and end with the one that reaches `max_bytes`.
        """
        taken: list[RawMessage] = []
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_s)
            while self._waiting and len(taken) < max_messages and max_bytes > 0:
                taken.append(message := self._next())
                max_bytes -= len(message.payload)
        return taken

    def _next(self) -> RawMessage:
        name = next(iter(self._waiting))
        waiting = self._waiting.pop(name)
        message = waiting.messages.popleft()
        waiting.size_bytes -= _size_bytes(message)
        self._size_bytes -= _size_bytes(message)
        if waiting.messages:
            self._waiting[name] = waiting  # now the last in turn
        return message


def _size_bytes(message: RawMessage) -> int:
    return OVERHEAD_BYTES + len(message.topic) + len(message.payload)


def _device(topic: str) -> str:
    """Return the level of a topic that a broker's access rules tie to a device, whatever site it names."""
    return (topic.split("/", 4) + [""] * 4)[3][:64]
