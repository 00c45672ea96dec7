"""Payloads of `cmd`: what a base station asks of a device."""

from anura_edge.errors import DeliveryError
from anura_edge.wire.clips import ClipSettled, ClipWanted
from anura_edge.wire.types import Code, Message
from anura_edge.wire.updates import ModelOffer, ModelPart, SettingsChange, SettingsKept

Command = ClipWanted | ClipSettled | ModelOffer | ModelPart | SettingsChange | SettingsKept

COMMANDS: dict[str, type[Command]] = {
    "clip": ClipWanted,
    "clip_settled": ClipSettled,
    "model": ModelOffer,
    "model_part": ModelPart,
    "settings": SettingsChange,
    "settings_kept": SettingsKept,
}


class _CommandTag(Message):
    command: Code


def parse_command(payload: bytes) -> Command:
    """Decode a message of the topic `cmd`.

    Raises DeliveryError on any other message: a newer base may send more commands.
    """
    tag = _CommandTag.from_bytes(payload).command
    if tag not in COMMANDS:
        raise DeliveryError(f"command: {tag!r} is not known")
    return COMMANDS[tag].from_bytes(payload)
