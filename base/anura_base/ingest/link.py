"""What the base station needs of the way to its devices: a broker, or journals on this computer."""

from typing import Protocol


class Link(Protocol):
    """The way to the devices: it delivers their messages into a queue, and takes those for them."""

    @property
    def connected(self) -> bool:
        """Whether messages can arrive."""

    def start(self) -> None:
        """Begin to deliver messages, in the background."""

    def stop(self) -> None:
        """End, after the last message for a device."""

    def publish(self, name: str, payload: bytes) -> None:
        """Send a message to a device, if that is possible."""

    def publish_and_wait(self, name: str, payload: bytes, timeout_s: float, *, retain: bool = False) -> None:
        """Send a message, and return when it is confirmed. Raises DeliveryError."""
