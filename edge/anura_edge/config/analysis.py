"""Settings of the analysis: how audio is read, which model runs, and when a score becomes an event."""

import re
from datetime import timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FilePath

from anura_edge.config.yaml_loader import Section


def _parse_offset(text: object) -> object:
    # Without quotes YAML reads +10:00 as 600, in base 60.
    if text is not None and not re.fullmatch(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]", str(text)):
        raise ValueError("write an offset from UTC as +hh:mm or -hh:mm, in quotes, from -14:59 to +14:59")
    return text


Probability = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]

Preset = Literal["default", "sensitive", "strict"]
"""A set of thresholds in a bundle."""


class AudioSettings(Section):
    """How recordings and microphones are read."""

    channel: Annotated[int, Field(ge=0, le=63)] | Literal["loudest"] = "loudest"
    """Channel to analyse, counted from 0. Set a number if one microphone of a stereo recorder is broken or muffled.
    `loudest` takes the channel with the highest level; of a microphone it takes channel 0. Channels are never averaged,
    because their gains differ."""
    utc_offset: Annotated[str | None, BeforeValidator(_parse_offset)] = None
    """Difference between the recorder's clock and UTC, as in "-05:00". Set it if file names and headers contain local
    time without an offset: else the times of such recordings are marked as unknown."""
    microphone: int | str | None = None
    """Number, USB id, name or part of the name of the microphone, as `anura-edge devices` lists them. Without it the
    system's default input is used."""
    retry_s: Annotated[float, Field(ge=1, le=3600)] = 8.0
    """Longest pause between two attempts to open a disconnected microphone, in seconds. The first pause is 1 s, and
    each failed attempt doubles it. Set it higher to save power when a microphone may stay disconnected for long."""
    trust_clock: bool | Literal["auto"] = "auto"
    """Whether the system clock is right while a microphone records. `auto` trusts a clock that NTP has set or that has
    a battery. Set true if the clock is set in another way, for example by GPS."""
    block_s: Annotated[float, Field(ge=0.02, le=10)] = 0.2
    """Length of the audio that the model takes at a time from a microphone, in seconds. Shorter blocks report events
    sooner, longer blocks need less processor time. The events are the same."""

    @property
    def live_channel(self) -> int:
        """Channel of a microphone: the loudest one is not known before the recording starts."""
        return 0 if self.channel == "loudest" else self.channel

    @property
    def zone(self) -> timezone | None:
        """The recorder's fixed offset from UTC: recorders have no daylight saving time."""
        if self.utc_offset is None:
            return None
        hours, minutes = int(self.utc_offset[1:3]), int(self.utc_offset[4:])
        sign = -1 if self.utc_offset[0] == "-" else 1
        return timezone(sign * timedelta(hours=hours, minutes=minutes))


class ModelSettings(Section):
    """Which model analyses the audio, and on which hardware."""

    bundle: Path | None = None
    """Folder of a model bundle, or the name of one that is part of anura-edge: `default`, `small`, which needs an
    eighth of the power, or `stream`, which is the fastest. Without it `default` is used. Set it to detect other
    species, or to use a model that was trained for your region."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Processor cores for one recording. Set it higher if one core is too slow for a microphone. For a card,
    `anura-edge scan --jobs` analyses several recordings at a time, which is faster."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """Hardware that runs the model. `auto` uses CUDA if this onnxruntime has it. A provider that is missing is replaced
    by the CPU, with a warning."""
    public_key_file: FilePath | None = None
    """Ed25519 public key in PEM format. With it, only bundles that were signed with the matching private key are used.
    Set it if others can write to the folder of the bundle."""


class DetectionSettings(Section):
    """Settings that decide when an event begins and ends."""

    preset: Preset = "default"
    """Which thresholds of the bundle to use. `sensitive` misses fewer calls, `strict` has fewer false alarms. The model
    card says what each one promises. In a bundle without presets all three are the same."""
    threshold: Probability | None = None
    """One threshold for every label, as a score. It overrides `preset`. Set it higher for fewer false alarms,
    lower for fewer missed calls."""
    thresholds: dict[str, Probability] = Field(default_factory=dict)
    """Thresholds by label code. They override `preset` and `threshold`. Set one for a species that has many false
    alarms at your site."""
    release_ratio: Annotated[float, Field(gt=0, le=1, serialization_alias="release")] = 0.5
    """An event lasts while the score is at least this share of its threshold. Set it higher for shorter events, lower
    to bridge weak moments inside a call."""
    merge_gap_s: Seconds = 1.0
    """Calls of one label with a shorter pause between them are one event, a bout, in seconds. The default is AnuraSet's
    rule. So twenty calls in a chorus of half a minute are one event, and their number is not known. With 0, a pause of
    one frame ends an event: a stream model, whose frames are short, then comes near to single calls; a window model
    does not."""
    max_call_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Longest event, in seconds. A longer one is cut, so that a chorus is reported while it lasts."""
    range: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Lowest score of BirdNET's range model for a species to be reported in the week of its call. Needs a bundle that
    was exported with `--near`. 0 reports all species; BirdNET-Analyzer uses 0.03. Species without range scores, such as
    frogs, and recordings whose date is unknown are not affected."""
