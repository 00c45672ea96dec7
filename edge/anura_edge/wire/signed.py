"""Messages that only a base station with the key of a device can make."""

import hmac
from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field

from anura_edge.wire.types import SCHEMA, Message


class SignedMessage(Message):
    """Base class of the messages with a MAC."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    mac: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """HMAC-SHA256 (RFC 2104) of the fields that matter, in hex. Only a base that has the device's key can make it."""

    def signed(self, key: bytes) -> Self:
        """Return the message with its MAC."""
        return self.model_copy(update={"mac": self._mac(key)})

    def is_signed(self, key: bytes) -> bool:
        """Return whether a base that has the key made the message."""
        return self.mac is not None and hmac.compare_digest(self.mac, self._mac(key))

    def _mac(self, key: bytes) -> str:
        return hmac.new(key, "\n".join(self._signed_values()).encode(), "sha256").hexdigest()

    @abstractmethod
    def _signed_values(self) -> list[str]:
        """Return the values that the MAC covers. None contains a line break, and the first names the kind."""


def device_key(secret: bytes, device: str) -> bytes:
    """Derive the key that signs the messages to a device from the secret of the base station."""
    return hmac.new(secret, f"anura/1 ack {device}".encode(), "sha256").digest()
