"""Which devices of a roll-out get the model now. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from anura_edge.wire import Owner

State = Literal["waiting", "sent", "trial", "kept", "refused", "rolled_back", "stopped"]
BAD: tuple[State, ...] = ("refused", "rolled_back")


@dataclass(frozen=True, slots=True)
class RolloutDevice:
    """A device of a roll-out."""

    device: Owner
    state: State
    changed_utc: datetime
    detail: str = ""


def due(devices: Sequence[RolloutDevice], first: int, wait: timedelta, now: datetime) -> list[Owner]:
    """Return the devices that wait and may get the model now.

    `devices` are in the order of the roll-out. The first ones get it immediately. The others get it when all of the
    first have kept it for the time `wait`, and no device gets it after one could not use it.
    """
    if any(each.state in BAD for each in devices):
        return []
    stage, others = devices[:first], devices[first:]
    has_proved = all(each.state == "kept" and each.changed_utc + wait <= now for each in stage)
    return [each.device for each in (*stage, *(others if has_proved else ())) if each.state == "waiting"]


def fault(devices: Sequence[RolloutDevice]) -> str | None:
    """Return why a roll-out ends: a device that could not use the model, and its reason."""
    bad = next((each for each in devices if each.state in BAD), None)
    return f"{bad.device.site}/{bad.device.device}: {bad.detail}" if bad else None


def is_done(devices: Sequence[RolloutDevice]) -> bool:
    """Return whether every device has kept the model."""
    return all(each.state == "kept" for each in devices)
