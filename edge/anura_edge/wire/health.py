"""Payloads of `status` and `health`: the state of a device."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from anura_edge.wire.types import SCHEMA, Amount, Code, Count, Message, Text, Utc

STALE_AFTER_MESSAGES = 3
"""A device's health is stale when this many messages are overdue."""

MAX_INTERVAL_S = 86_400.0
"""Longest time between two health messages that a device's settings allow. A longer `every_s` counts as this."""


class Status(Message):
    """Payload of `status`."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    state: Literal["online", "offline"]
    since_utc: Utc | None = None
    app_version: Code | None = None
    model_id: Code | None = None
    model_sha256: Code | None = None
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    zone: Code | None = None
    """Of the site, by its name in the time zone database; a reader may not know it."""


class Health(Message):
    """Payload of `health`: how the device is now. What it does not know is null.

    Sums count from the start of the program, `running_s` ago.
    """

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    utc: Utc
    """By the device's clock."""
    every_s: Amount
    """The next one comes after this time."""
    problems: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """What a person should look at, in sentences."""
    boot_id: Code | None = None
    uptime_s: Amount
    """Since the machine was switched on."""
    running_s: Amount
    """Since the program started."""
    app_version: Code
    model_sha256: Code
    config_hash: Code
    since_sample_s: Amount | None = None
    """Since the last audio came."""
    since_inference_s: Amount | None = None
    """Since the model last scored some."""
    real_time_factor: Amount | None = None
    """The model's work for a second of audio, over the last minutes; above 1 it cannot keep up."""
    overruns: Count
    """How often the model took longer than its audio lasts."""
    provider: Code | None = None
    """What the model runs on: cpu, cuda or tensorrt."""
    analysed_s: Amount
    dropped_s: Amount
    """Audio that was lost before it was analysed."""
    gated_s: Amount = 0.0
    """Audio that was too quiet for a frog and not analysed, to save energy."""
    paused_s: Amount = 0.0
    """Audio that a duty cycle or an empty battery left out."""
    gaps: Count
    """In how many pieces audio was lost."""
    overflows: Count = 0
    """How often a microphone's driver said that it lost audio; how much of that is in `dropped_s`, the clock showed."""
    drift_ppm: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """How much faster than its nominal rate a microphone samples, in parts per million; null until that is clear."""
    pending: Count
    """Rows that nobody has acknowledged."""
    oldest_pending_s: Amount | None = None
    """How long the oldest of them has waited, since the start of the program at most; null when none waits."""
    disk_free_bytes: Count | None = None
    disk_free_inodes: Count | None = None
    clips_saved: Count | None = None
    """Pieces of audio saved; null when none are to be."""
    clips_dropped: Count | None = None
    """Those that the disk was too slow or too full for."""
    energy_step: Code | None = None
    """How much the battery makes the device save: full, coarse, gated or paused."""
    battery_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    """What is left in the battery, of what it holds."""
    on_battery: bool | None = None
    """Whether a battery is being emptied."""
    memory_bytes: Count | None = None
    temperature_c: Annotated[float, Field(ge=-300, le=1000)] | None = None
    throttled: Count | None = None
    """A Raspberry Pi's throttling bits, as `vcgencmd get_throttled` shows them."""
    clock_synchronised: bool | None = None
    """Whether something, NTP as a rule, keeps the device's clock right."""


def is_stale(health: Health, received_utc: datetime | None, now: datetime) -> bool:
    """Tell whether a device's last health message is too old to describe it now.

    `received_utc` is None for a message that the broker had retained: its age is not known, so it is stale.
    """
    if received_utc is None:
        return True
    return now - received_utc > timedelta(seconds=STALE_AFTER_MESSAGES * min(health.every_s, MAX_INTERVAL_S))
