"""Payloads of `update` and `cmd`: models and settings that a base station sends to its devices."""

import json
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from anura_edge.errors import DeliveryError
from anura_edge.wire.signed import SignedMessage
from anura_edge.wire.types import MAX_PART_BYTES, SCHEMA, Amount, Code, Count, Message, Name, Sha256, Text

MAX_MODEL_BYTES = 1 << 29
"""The largest bundle, packed or unpacked. The largest known one has 60 MB."""

MAX_CHANGED_KEYS = 64
Key = Annotated[str, Field(pattern=r"^[a-z_]{1,40}(\.[a-zA-Z0-9_-]{1,40}){0,3}$")]
"""A key of the device's settings with its sections, as in `detect.preset`."""

UpdateState = Literal["trial", "kept", "refused", "rolled_back"]
"""`trial`: in use, and not proved yet. `kept`: in use for good. `refused`: it was never used. `rolled_back`: it was in
use, and the device went back to its model or settings before."""


class _Order(SignedMessage):
    site: Name
    device: Name
    """The device that the order is for: devices of one name at two sites have the same key."""
    number: Count
    """Orders of a base have increasing numbers, so an old one cannot be repeated."""

    def _signed_values(self) -> list[str]:
        return [self.site, self.device, str(self.number)]


class ModelOffer(_Order):
    """Payload of `cmd`: a bundle that the device is to use. The device requests its parts."""

    command: Literal["model"] = "model"
    id: Code
    """Id of the model, as in its manifest."""
    version: Annotated[str, Field(pattern=r"^\d{1,9}\.\d{1,9}\.\d{1,9}$")]
    sha256: Sha256
    """Hash of the zip file of the bundle."""
    size: Annotated[int, Field(gt=0, le=MAX_MODEL_BYTES)]
    """Size of the zip file, in bytes."""

    def _signed_values(self) -> list[str]:
        return ["model", *super()._signed_values(), self.version, self.sha256, str(self.size)]


class ModelPart(Message):
    """Payload of `cmd`: a part of the zip file. It needs no MAC: the offer has the hash of the whole file."""

    # Base64 as in the parts of a clip.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    command: Literal["model_part"] = "model_part"
    sha256: Sha256
    offset: Annotated[int, Field(ge=0, le=MAX_MODEL_BYTES)]
    data: Annotated[bytes, Field(min_length=1, max_length=MAX_PART_BYTES)]


class SettingsChange(_Order):
    """Payload of `cmd`: settings that the device is to use in place of those in its file."""

    command: Literal["settings"] = "settings"
    values: Annotated[dict[Key, JsonValue], Field(max_length=MAX_CHANGED_KEYS)] = Field(default_factory=dict)
    """New values, by key."""
    removed: Annotated[tuple[Key, ...], Field(max_length=MAX_CHANGED_KEYS)] = ()
    """Keys that are no longer changed: the device's own file counts again."""
    confirm_s: Annotated[Amount, Field(ge=1, le=86_400)]
    """If the device does not hear from the base within this time after the change, it goes back."""

    def _signed_values(self) -> list[str]:
        values = json.dumps(self.values, sort_keys=True)  # line breaks are escaped
        return ["settings", *super()._signed_values(), values, *self.removed, repr(float(self.confirm_s))]


class SettingsKept(_Order):
    """Payload of `cmd`: the base hears from the device, so its new settings work."""

    command: Literal["settings_kept"] = "settings_kept"

    def _signed_values(self) -> list[str]:
        return ["settings_kept", *super()._signed_values()]


class ModelWanted(Message):
    """Payload of `update`: the device requests the next part of a bundle."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    update: Literal["model_wanted"] = "model_wanted"
    number: Count
    """The number of the offer."""
    sha256: Sha256
    offset: Annotated[int, Field(ge=0, le=MAX_MODEL_BYTES)]
    """The number of bytes that the device has."""


class ModelReport(Message):
    """Payload of `update`: what the device does with an offered bundle."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    update: Literal["model"] = "model"
    number: Count
    state: UpdateState
    detail: Text = ""


class SettingsReport(Message):
    """Payload of `update`: what the device does with a change of its settings."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    update: Literal["settings"] = "settings"
    number: Count
    state: UpdateState
    detail: Text = ""


Update = ModelWanted | ModelReport | SettingsReport

UPDATES: dict[str, type[Update]] = {
    "model_wanted": ModelWanted,
    "model": ModelReport,
    "settings": SettingsReport,
}


class _UpdateTag(Message):
    update: Code


def parse_update(payload: bytes) -> Update:
    """Decode a message of the topic `update`.

    Raises DeliveryError on anything but a well-formed message.
    """
    tag = _UpdateTag.from_bytes(payload).update
    if tag not in UPDATES:
        raise DeliveryError(f"update: {tag!r} is not known")
    return UPDATES[tag].from_bytes(payload)
