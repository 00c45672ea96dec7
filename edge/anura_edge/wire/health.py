"""Payloads of `status` and `health`: the state of a device."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from anura_edge.wire.types import SCHEMA, Amount, Code, Count, Message, SignedAmount, Text, Utc

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
    model_version: Code | None = None
    model_sha256: Code | None = None
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    zone: Code | None = None
    """Time zone of the site, as a name of the time zone database. A reader's database may not have it."""


class Health(Message):
    """Payload of `health`: the state of the device now. Unknown values are null.

    Sums count from the start of the program, `running_s` ago.
    """

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    utc: Utc
    """Time of the message, by the device's clock."""
    every_s: Amount
    """The time until the next message."""
    problems: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """Problems that a person should check, as sentences."""
    boot_id: Code | None = None
    machine: Code | None = None
    """Which computer this is: a hash of the serial number of its board or, without one, of its machine-id."""
    uptime_s: Amount
    """Time since the machine was switched on."""
    running_s: Amount
    """Time since the program started."""
    app_version: Code
    model_sha256: Code
    config_hash: Code
    since_sample_s: Amount | None = None
    """Time since the last audio arrived."""
    since_inference_s: Amount | None = None
    """Time since the model last scored audio."""
    real_time_factor: Amount | None = None
    """Seconds that the model needs for a second of audio, over the last minutes. Above 1 it is too slow."""
    overruns: Count
    """How often the model took longer than the duration of its audio."""
    provider: Code | None = None
    """What the model runs on: cpu, cuda or tensorrt."""
    analysed_s: Amount
    dropped_s: Amount
    """Audio that was lost before it was analysed."""
    gated_s: Amount = 0.0
    """Audio that was not analysed because it was too quiet for a frog."""
    paused_s: Amount = 0.0
    """Audio that was not recorded or analysed because of a duty cycle or an empty battery."""
    gaps: Count
    """Number of gaps in the audio."""
    overflows: Count = 0
    """How often a microphone's driver reported lost audio. `dropped_s` has its length, measured by the clock."""
    drift_ppm: SignedAmount | None = None
    """How much faster than its nominal rate a microphone samples, in parts per million. Null until it is known."""
    pending: Count
    """Rows that are not acknowledged."""
    oldest_pending_s: Amount | None = None
    """How long the oldest of them has waited, at most since the start of the program. Null if no row waits."""
    disk_free_bytes: Count | None = None
    disk_free_inodes: Count | None = None
    clips_saved: Count | None = None
    """Clips that were saved. Null if the settings save none."""
    clips_dropped: Count | None = None
    """Clips that were lost because the disk was too slow or too full."""
    clips_withheld: Count | None = None
    """Clips that were not saved because they contain speech."""
    energy_step: Code | None = None
    """How the device saves energy: full, coarse, gated or paused."""
    battery_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    """Charge of the battery, in percent of its capacity."""
    on_battery: bool | None = None
    """Whether a battery is being discharged."""
    memory_bytes: Count | None = None
    temperature_c: Annotated[float, Field(ge=-300, le=1000)] | None = None
    throttled: Count | None = None
    """Throttling bits of a Raspberry Pi, as `vcgencmd get_throttled` shows them."""
    clock_synchronised: bool | None = None
    """Whether NTP or another source keeps the device's clock correct."""


def is_stale(health: Health, received_utc: datetime | None, now: datetime) -> bool:
    """Return whether a device's last health message is too old to describe its state now.

    `received_utc` is None for a message that the broker had retained: its age is not known, so it is stale. A time to
    come is from a clock that was wrong, so it says nothing either.
    """
    if received_utc is None:
        return True
    return abs(now - received_utc) > timedelta(seconds=STALE_AFTER_MESSAGES * min(health.every_s, MAX_INTERVAL_S))
