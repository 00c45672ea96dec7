"""The device's settings, read once at the start; after that the program holds typed values and checks nothing again."""

import hashlib
import re
from datetime import timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, FilePath, SecretStr, model_validator

from anura_edge.config.yaml_loader import Latitude, Longitude, Section, Zone, read_password
from anura_edge.wire import Name

DEFAULT_STATE_DIR = Path("~/.local/state/anura-edge")


def _parse_offset(text: object) -> object:
    # Without quotes YAML reads +10:00 as 600, in base 60.
    if text is not None and not re.fullmatch(r"[+-](0[0-9]|1[0-4]):[0-5][0-9]", str(text)):
        raise ValueError("write an offset from UTC as +hh:mm or -hh:mm, in quotes, from -14:59 to +14:59")
    return text


Probability = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Device(Section):
    """Who this is, in every topic and row."""

    site: Name = "site"
    name: Name = "device"
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None
    zone: Zone | None = None
    """The site's time zone, as in America/Sao_Paulo; it and the place are told to the base station."""


class Audio(Section):
    """How recordings and microphones are read."""

    channel: Annotated[int, Field(ge=0, le=63)] | Literal["loudest"] = "loudest"
    """Channel to analyse; a stereo recorder's two gains differ, so they are never averaged."""
    utc_offset: Annotated[str | None, BeforeValidator(_parse_offset)] = None
    """What the recorder's clock is ahead of UTC, as in "-05:00", for file names that do not say."""
    microphone: int | str | None = None
    """Number, USB id, name or part of the name of the microphone; none is the system's default."""
    retry_s: Annotated[float, Field(ge=1, le=3600)] = 8.0
    """The longest pause between two attempts to open a microphone that is away: 1 s, then twice as long each time."""
    trust_clock: bool | Literal["auto"] = "auto"
    """Whether this machine's time is right when it hears a microphone; auto believes NTP and clocks with a battery."""
    block_s: Annotated[float, Field(ge=0.02, le=10)] = 0.2
    """A microphone's sound is given to the model so much at a time: less is sooner, more is cheaper, and the calls are
    the same."""

    @property
    def live_channel(self) -> int:
        """The microphone's channel: the loudest is not known before it is heard."""
        return 0 if self.channel == "loudest" else self.channel

    @property
    def zone(self) -> timezone | None:
        """The recorder's fixed offset from UTC: recorders keep no daylight saving."""
        if self.utc_offset is None:
            return None
        hours, minutes = int(self.utc_offset[1:3]), int(self.utc_offset[4:])
        sign = -1 if self.utc_offset[0] == "-" else 1
        return timezone(sign * timedelta(hours=hours, minutes=minutes))


class Model(Section):
    """What listens."""

    bundle: Path | None = None
    """Folder of a model bundle; none is the one that comes with anura-edge."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Cores for one recording; `anura-edge scan --jobs` hears several recordings at a time, which is faster."""
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """What the model runs on; auto is CUDA where onnxruntime has it. The CPU takes the place of what is not there."""
    public_key_file: FilePath | None = None
    """Only bundles that were signed with this key's other half are used; PEM, Ed25519. None asks for no signature."""


class Detect(Section):
    """When a call begins and ends."""

    threshold: Probability | None = None
    """For every label, in place of the bundle's own."""
    thresholds: dict[str, Probability] = Field(default_factory=dict)
    """By label code, in place of the above."""
    release: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A call lasts while the probability is at least this share of its threshold."""
    merge_gap_s: Seconds = 1.0
    """Calls closer than this are one: AnuraSet's own rule for a bout."""
    max_call_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Longer calls are cut, so that a chorus is reported while it lasts."""


class Watch(Section):
    """How a folder is watched with --watch."""

    interval_s: Annotated[float, Field(ge=0.05, le=3600)] = 30.0
    """Time between two scans; a hint from the operating system makes the next one come sooner."""
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """A file is read when its size and time have not changed for this long."""


class Health(Section):
    """How the device says that it is well."""

    interval_s: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0
    """Time between two messages on the topic `health`, and two writes of the file below."""
    patience_s: Annotated[float, Field(ge=0.1, le=86_400)] = 120.0
    """Audio, model or delivery that is silent for longer has hung: the service manager's watchdog is fed no more."""
    prometheus_file: Path | None = None
    """A file that ends in .prom, in the folder of node_exporter's textfile collector."""


class Disk(Section):
    """When the disk under `state_dir` counts as nearly full: saved audio goes then, and hearing goes on."""

    min_free_mb: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    min_free_inodes: Annotated[int, Field(ge=0, le=10**9)] = 1_000


class Duty(Section):
    """Listening a part of the time, in step with UTC, so that all devices with the same numbers listen at once."""

    listen_s: Annotated[float, Field(ge=1, le=86_400)]
    every_s: Annotated[float, Field(ge=1, le=86_400)]

    @model_validator(mode="after")
    def _pauses(self) -> Self:
        if self.listen_s >= self.every_s:
            raise ValueError("listen_s must be less than every_s; leave energy.duty out to listen all the time")
        return self


class Gate(Section):
    """What is too quiet for a frog is not given to the model."""

    level_dbfs: Annotated[float, Field(ge=-150, le=0)] = -65.0
    """A tenth of a second opens the gate when its level between the two frequencies is at least this."""
    low_hz: Annotated[float, Field(ge=0, le=100_000)] = 300.0
    """Above wind, below the lowest frog."""
    high_hz: Annotated[float, Field(ge=1, le=400_000)] = 8_000.0
    hold_s: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    """It shuts when nothing has been loud enough for so long."""
    before_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """What came before it opened is heard, too: a call begins softly, and the model needs to hear itself in."""

    @model_validator(mode="after")
    def _has_a_band(self) -> Self:
        if self.low_hz >= self.high_hz:
            raise ValueError("low_hz must be below high_hz")
        return self


Percent = Annotated[float, Field(ge=0, le=100)]


class Battery(Section):
    """Saving more as a battery empties; a threshold of 0 leaves its step out."""

    capacity_file: Path | None = None
    """A file with the charge in percent, by whatever writes it; none is what Linux knows of the machine's batteries."""
    coarse_percent: Percent = 60.0
    """Below this the model is given `coarse_block_s` of sound at a time."""
    coarse_block_s: Annotated[float, Field(ge=0.02, le=10)] = 2.0
    gate_percent: Percent = 40.0
    """Below this `energy.gate` is in use, with its defaults if it is not set."""
    pause_percent: Percent = 15.0
    """Below this nothing is heard."""
    hysteresis_percent: Percent = 5.0
    """A step ends when the charge is so much above its threshold."""

    @model_validator(mode="after")
    def _saves_more_and_more(self) -> Self:
        if not self.pause_percent <= self.gate_percent <= self.coarse_percent:
            raise ValueError("pause_percent must not be above gate_percent, nor gate_percent above coarse_percent")
        return self


class Energy(Section):
    """How a microphone's device saves energy; what is left out is effort `paused` or `gated`. A card is heard whole."""

    duty: Duty | None = None
    gate: Gate | None = None
    battery: Battery | None = None


class Clips(Section):
    """Audio around the calls that a microphone hears, saved as FLAC below `state_dir`."""

    enabled: bool = False
    """Off unless asked for: a microphone hears people, too. A card has its audio already."""
    before_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    after_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    max_s: Annotated[float, Field(ge=1, le=60)] = 15.0
    """Longer ones are cut, so that a chorus of an hour is sampled and not hoarded."""
    best_per_night: Annotated[int, Field(ge=1, le=1_000)] = 5
    """Of each species, the surest ones of each night, from noon to noon, are kept."""
    max_mb: Annotated[float, Field(gt=0, le=1e9)] = 500.0
    """For all of them; the common and unsure ones go first, the rare ones last."""
    send: Literal["off", "asked", "best"] = "off"
    """Whether audio leaves the device: never; when somebody at the base station asks for that of a call, which may be
    cut from a recording, too; or, without being asked, also the clips that were kept of a night that is over."""
    send_mb_per_day: Annotated[float, Field(gt=0, le=1e6)] = 20.0
    """More waits for the next day, which begins at midnight in UTC."""


class Mqtt(Section):
    """Where events go."""

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s/@]+$")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    username: str | None = None
    password_file: FilePath | None = None
    """The password is this file's first line; it never stands in the settings themselves."""
    ca_file: FilePath | None = None
    """Turns on TLS, and trusts brokers whose certificate this authority signed."""
    delivery: Literal["base", "broker"] = "base"
    """A row is delivered when the base station has acknowledged it, or already when the broker has."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    resend_s: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    """Rows that the base has not acknowledged for this long are sent again."""

    def password(self) -> SecretStr | None:
        """Read the password.

        Raises ConfigError if its file cannot be read.
        """
        return read_password(self.password_file) if self.password_file else None


class Journal(Section):
    """How long the device keeps its own copy, and what happens when the base station stays away."""

    keep_days: Annotated[float, Field(ge=0, le=36_500)] = 90.0
    """What was delivered stays so long, for `anura-edge resend`. What was not delivered stays until it is."""
    max_mb: Annotated[float, Field(ge=1)] = 500.0
    """Above this, delivered rows go at once, oldest first; then, counted by notices, others."""


class Config(Section):
    """All settings."""

    schema_version: Literal[1] = Field(alias="schema", default=1)
    source: str | None = None
    """What to listen to, when the command line does not say: mic, folder:PATH or file:PATH."""
    state_dir: Path = DEFAULT_STATE_DIR
    """Where the journal lives."""
    device: Device = Device()
    audio: Audio = Audio()
    model: Model = Model()
    detect: Detect = Detect()
    watch: Watch = Watch()
    health: Health = Health()
    disk: Disk = Disk()
    energy: Energy = Energy()
    clips: Clips = Clips()
    journal: Journal = Journal()
    mqtt: Mqtt | None = None

    @model_validator(mode="after")
    def _named_on_the_wire(self) -> Self:
        unset = Device()  # `config show` writes these names into a file, too
        if self.mqtt and (self.device.site == unset.site or self.device.name == unset.name):
            raise ValueError("set device.site and device.name: two devices with one name cannot share a broker")
        return self

    @property
    def journal_path(self) -> Path:
        """The database with all that was heard."""
        return self.state_dir.expanduser() / "journal.db"

    @property
    def clips_path(self) -> Path:
        """The folder of saved audio."""
        return self.state_dir.expanduser() / "clips"

    @property
    def engines_path(self) -> Path:
        """The folder of the engines that TensorRT builds."""
        return self.state_dir.expanduser() / "tensorrt"

    def hash(self) -> str:
        """Identify the settings that shape what is detected, written on every row."""
        shaping = self.model_dump_json(include={"audio", "detect"}, exclude={"audio": {"block_s"}})
        if self.energy != Energy():
            shaping += self.energy.model_dump_json()
        return hashlib.sha256(shaping.encode()).hexdigest()[:12]

    def effective(self) -> dict[str, Any]:
        """Return all settings with their defaults, as they would stand in a file."""
        return self.model_dump(mode="json", by_alias=True)
