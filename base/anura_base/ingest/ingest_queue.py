"""The queue between the network thread and the ingest worker."""

from collections import Counter, deque
from dataclasses import dataclass, field
from threading import Condition

from anura_base.ingest.messages import RawMessage

MAX_QUEUE_BYTES = 32_000_000
"""Room for all messages that a broker holds after a night without the base station, but a limit for hostile devices."""

MAX_DEVICE_BYTES = MAX_QUEUE_BYTES // 4
"""One device's share. It is a thousand times what a normal device has on the way, and leaves room for the others."""

TURN_BYTES = 10_000
"""What a device may send in one turn. A larger message waits for as many turns as it needs."""

OVERHEAD_BYTES = 1_000
"""Memory of a message apart from its payload, rounded up."""

MAX_COUNTED_DEVICES = 1_000
"""Devices whose dropped messages are counted by name: a hostile device can invent any number of names."""

OTHERS = "others"


@dataclass(slots=True)
class _DeviceQueue:
    """The waiting messages of one device, in order."""

    messages: deque[RawMessage] = field(default_factory=deque)
    size_bytes: int = 0
    credit_bytes: int = 0
    """Bytes that may still be taken from the device in this turn. Unused bytes of earlier turns are added."""


class IngestQueue:
    """A queue for each device, served in turn. Thread-safe.

    The limits are in bytes, not in messages: a status has 200 bytes, a batch up to a million. A device that sends
    faster than the base station can store fills its own share only, and delays only itself. So the turns are in bytes,
    too (deficit round robin, Shreedhar and Varghese 1996, doi:10.1109/90.502236).
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: dict[str, _DeviceQueue] = {}
        """By device; the device whose turn is next comes first."""
        self._size_bytes = 0
        self.dropped: Counter[str] = Counter()
        """Messages for which there was no room, by device."""

    def offer(self, message: RawMessage) -> bool:
        """Add a message, or drop and count it if there is no room. Never blocks. Return whether it was added.

        If the whole queue is full, the device with the most bytes loses its newest messages: many devices that flood
        together must not keep out one that does not.
        """
        name, size_bytes = _device(message.topic), _size_bytes(message)
        with self._changed:
            waiting = self._waiting.get(name, _DeviceQueue())
            if waiting.size_bytes >= MAX_DEVICE_BYTES or not self._make_room(waiting.size_bytes + size_bytes):
                self._count_dropped(name)
                return False
            self._waiting[name] = waiting
            waiting.messages.append(message)
            waiting.size_bytes += size_bytes
            self._size_bytes += size_bytes
            self._changed.notify()
            return True

    def _make_room(self, wanted_bytes: int) -> bool:
        """Drop messages of devices that have more bytes than a device would have. Return whether there is room."""
        while self._size_bytes >= MAX_QUEUE_BYTES:
            name, longest = max(self._waiting.items(), key=lambda item: item[1].size_bytes)
            if longest.size_bytes <= wanted_bytes:
                return False
            size_bytes = _size_bytes(longest.messages.pop())
            longest.size_bytes -= size_bytes
            self._size_bytes -= size_bytes
            self._count_dropped(name)
            if not longest.messages:
                del self._waiting[name]
        return True

    def _count_dropped(self, name: str) -> None:
        counted = name in self.dropped or len(self.dropped) < MAX_COUNTED_DEVICES
        self.dropped[name if counted else OTHERS] += 1

    def take(self, max_messages: int, max_bytes: int, timeout_s: float) -> list[RawMessage]:
        """Remove and return the next messages. In turn, the devices get the same number of bytes.

        Stop at `max_messages`, or after the message with which the payloads reach `max_bytes`. Return an empty list if
        no message arrives in `timeout_s`.
        """
        taken: list[RawMessage] = []
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_s)
            while self._waiting and len(taken) < max_messages and max_bytes > 0:
                taken.append(message := self._next())
                max_bytes -= len(message.payload)
        return taken

    def _next(self) -> RawMessage:
        while True:
            name = next(iter(self._waiting))
            waiting = self._waiting[name]
            size_bytes = _size_bytes(waiting.messages[0])
            if size_bytes <= waiting.credit_bytes:
                break
            waiting.credit_bytes += TURN_BYTES
            self._waiting[name] = self._waiting.pop(name)  # the end of the order
        waiting.credit_bytes -= size_bytes
        waiting.size_bytes -= size_bytes
        self._size_bytes -= size_bytes
        message = waiting.messages.popleft()
        if not waiting.messages:  # an idle device collects no credit
            del self._waiting[name]
        return message


def _size_bytes(message: RawMessage) -> int:
    return OVERHEAD_BYTES + len(message.topic) + len(message.payload)


def _device(topic: str) -> str:
    """Return the device level of a topic. The broker's access rules tie it to a device, but not the site level."""
    return (topic.split("/", 4) + [""] * 4)[3][:64]
