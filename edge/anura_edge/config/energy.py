"""Settings that save energy while a microphone records: duty cycle, nights, gate and battery."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from anura_edge.config.yaml_loader import Section

Percent = Annotated[float, Field(ge=0, le=100)]


class DutyCycleSettings(Section):
    """Settings of the duty cycle: audio is analysed for `on_s` of each period, and the rest is discarded.

    Periods are aligned to UTC, so devices with the same settings analyse the same times.
    """

    on_s: Annotated[float, Field(ge=1, le=86_400, serialization_alias="listen_s")]
    """Length of the analysed part at the start of each period, in seconds. A longer part finds more calls and needs
    more energy."""
    period_s: Annotated[float, Field(ge=1, le=86_400, serialization_alias="every_s")]
    """Length of a period, in seconds. Periods are counted from midnight UTC on 1 January 1970."""

    @model_validator(mode="after")
    def _check_pause(self) -> Self:
        if self.on_s >= self.period_s:
            raise ValueError("on_s must be less than period_s; leave energy.duty out to record all the time")
        return self


class NightSettings(Section):
    """Settings of the schedule by the sun: audio is analysed from dusk to dawn at the place of the device."""

    before_sunset_min: Annotated[float, Field(ge=-360, le=360)] = 30.0
    """The analysis begins so long before sunset, in minutes. A negative number begins after sunset."""
    after_sunrise_min: Annotated[float, Field(ge=-360, le=360)] = 30.0
    """The analysis ends so long after sunrise, in minutes. A negative number ends before sunrise."""


class GateSettings(Section):
    """Settings of the gate: audio that is too quiet for a frog is not analysed."""

    level_dbfs: Annotated[float, Field(ge=-150, le=0)] = -65.0
    """The gate opens when 0.1 s of audio has at least this level in the band below, in dBFS. Set it just above the
    noise of your microphone: too low saves nothing, too high loses distant calls."""
    low_hz: Annotated[float, Field(ge=0, le=100_000)] = 300.0
    """Lower edge of the band, in Hz. The default is above wind and below the lowest frog."""
    high_hz: Annotated[float, Field(ge=1, le=400_000)] = 8_000.0
    """Upper edge of the band, in Hz. Set it lower if insects keep the gate open."""
    hold_s: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    """The gate closes after this time below the level, in seconds. A longer time loses fewer calls of a sparse
    chorus."""
    before_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """Audio before the gate opened that is analysed too, in seconds. Calls begin softly, and the model needs some audio
    before its scores are right."""

    @model_validator(mode="after")
    def _check_band(self) -> Self:
        if self.low_hz >= self.high_hz:
            raise ValueError("low_hz must be below high_hz")
        return self


class BatterySettings(Section):
    """Saving more energy while a battery empties. A threshold of 0 switches its step off."""

    capacity_file: Path | None = None
    """File that contains the charge in percent. Without it the charge is what Linux reports of the machine's batteries.
    Set it if another program measures the battery."""
    coarse_percent: Percent = 60.0
    """Below this charge, in percent, the model takes `coarse_block_s` of audio at a time: events are reported later."""
    coarse_block_s: Annotated[float, Field(ge=0.02, le=10)] = 2.0
    """Length of these longer blocks, in seconds. A longer block saves more and reports later."""
    gate_percent: Percent = 40.0
    """Below this charge, in percent, `energy.gate` is used. If it is not set, its defaults apply."""
    pause_percent: Percent = 15.0
    """Below this charge, in percent, nothing is analysed, so that the device can still report until it is charged."""
    hysteresis_percent: Percent = 5.0
    """A step ends when the charge is this much above its threshold, in percent. A larger value switches less often."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.pause_percent <= self.gate_percent <= self.coarse_percent:
            raise ValueError("pause_percent must not be above gate_percent, nor gate_percent above coarse_percent")
        return self


class EnergySettings(Section):
    """How a device with a microphone saves energy. Audio that is left out is effort `paused` or `gated`.

    Recordings on a card are always analysed completely.
    """

    duty: DutyCycleSettings | None = None
    """Record a part of each period only. Without it the device records all the time."""
    night: NightSettings | None = None
    """Record from dusk to dawn only. It needs `device.latitude_deg` and `device.longitude_deg`. Without it the device
    records by day, too."""
    gate: GateSettings | None = None
    """Analyse only audio that is loud enough. Without it all audio is analysed."""
    battery: BatterySettings | None = None
    """Save more while a battery empties. Without it the charge has no effect."""
