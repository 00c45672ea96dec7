"""Settings of the operation: folders to watch, health, disk, clips, journal and broker."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator

from anura_edge.config.yaml_loader import Section, read_password
from anura_edge.errors import ConfigError


class WatchSettings(Section):
    """How `anura-edge run --watch` watches a folder."""

    interval_s: Annotated[float, Field(ge=0.05, le=3600)] = 30.0
    """Time between two scans, in seconds. The operating system reports most changes earlier, and then the next scan
    starts immediately. Set it lower for a network folder, which sends no such events."""
    debounce_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """A file is read when its size and time have not changed for this long, in seconds. Set it higher if a slow copy
    pauses for longer."""


class HealthSettings(Section):
    """How the device reports its health."""

    interval_s: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0
    """Time between two health reports to the broker and into `prometheus_file`, in seconds. Set it higher to save
    mobile data."""
    watchdog_timeout_s: Annotated[float, Field(ge=0.1, le=86_400)] = 120.0
    """Audio, model or delivery without a heartbeat for this long counts as hung, in seconds. The device then stops
    notifying the service manager's watchdog, which restarts it. Set it higher if the model needs longer for a minute of
    audio."""
    prometheus_file: Path | None = None
    """File for the health figures, in the folder of node_exporter's textfile collector; its name ends in .prom. Set it
    to monitor the device with Prometheus."""


class DiskSettings(Section):
    """When the disk under `state_dir` counts as nearly full. Clips are deleted then, and the analysis goes on."""

    min_free_mb: Annotated[float, Field(ge=0, le=1e9)] = 100.0
    """Free space below which the disk counts as nearly full, in MB. Set it higher if other programs need the space."""
    min_free_inodes: Annotated[int, Field(ge=0, le=10**9)] = 1_000
    """Free inodes below which the disk counts as nearly full. Set 0 to ignore
    inodes."""


class ClipSettings(Section):
    """Audio around events of a microphone, stored as FLAC below `state_dir`."""

    enabled: bool = False
    """Store clips. Off by default, because a microphone records people too. A card has its audio already."""
    before_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """Audio before the onset, in seconds."""
    after_s: Annotated[float, Field(ge=0, le=30)] = 2.0
    """Audio after the offset, in seconds."""
    max_s: Annotated[float, Field(ge=1, le=60)] = 15.0
    """Longest clip, in seconds. A longer one is cut, so that a long chorus does not fill the disk."""
    best_per_night: Annotated[int, Field(ge=1, le=1_000)] = 5
    """Number of clips per label and night (noon to noon) that are stored: those with the highest scores."""
    max_mb: Annotated[float, Field(gt=0, le=1e9)] = 500.0
    """Disk space for all clips, in MB. Above it, clips of common labels with low scores are deleted first, and rare
    labels last."""
    voice_model_file: FilePath | None = None
    """Wheel of silero-vad, or the ONNX file in it (`pip download --no-deps silero-vad`). Clips with speech are then
    neither stored nor sent. Set it where people pass by."""
    upload: Literal["off", "on_request", "best"] = "off"
    """Whether audio leaves the device. `off`: never. `on_request`: a user of the base station requests the clip of an
    event; it may also be cut from a recording. `best`: that, and the stored clips of each finished night."""
    upload_mb_per_day: Annotated[float, Field(gt=0, le=1e6)] = 20.0
    """Most audio sent per day, in MB. The rest waits for the next day, which begins at midnight UTC. Set it to what
    your mobile plan allows."""

    def bounds(self, onset_sample: int, offset_sample: int, rate_hz: int) -> tuple[int, int]:
        """Return the first sample of an event's clip, and the one after its last, at the event's rate."""
        first = max(0, onset_sample - round(self.before_s * rate_hz))
        return first, min(offset_sample + round(self.after_s * rate_hz), first + round(self.max_s * rate_hz))


class MqttSettings(Section):
    """Settings of the MQTT broker that receives rows, health and clips."""

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s/@]+$")]
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 1883
    """TCP port of the broker. Brokers use 8883 for TLS."""
    username: str | None = None
    """User name for the broker, if it needs one."""
    password_file: FilePath | None = None
    """File whose first line is the password. The settings never contain a password."""
    ca_file: FilePath | None = None
    """Certificate of an authority, in PEM format. It turns TLS on, and brokers with a certificate of this authority are
    trusted."""
    cert_file: FilePath | None = None
    """The device's own certificate, in PEM format, if the broker demands one. It needs `ca_file` and `key_file`."""
    key_file: FilePath | None = None
    """Private key of the device's certificate, in PEM format."""
    delivery: Literal["base", "broker"] = "base"
    """Who acknowledges a row. `base`: the base station, after it has stored the row. `broker`: the broker; set this if
    no base station exists."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """Interval of MQTT keep-alive packets, in seconds. Set it higher to save mobile data; a lost connection is then
    noticed later."""
    resend_s: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    """Rows without an acknowledgement of the base station for this long are sent again, in seconds. Set it higher for a
    slow satellite link."""

    ack_key_file: FilePath | None = None
    """File with the key that `anura-base device key` printed for this device. The device then accepts only
    acknowledgements that a base station with this key has signed."""

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if (self.cert_file or self.key_file) and not (self.cert_file and self.key_file and self.ca_file):
            raise ValueError("cert_file, key_file and ca_file go together; give all three, or only ca_file")
        return self

    @property
    def certificate(self) -> tuple[Path, Path] | None:
        """The files of the device's own certificate and its key."""
        return (self.cert_file, self.key_file) if self.cert_file and self.key_file else None

    def ack_key(self) -> bytes | None:
        """Read the key of the acknowledgements.

        Raises ConfigError if its file cannot be read or has no key.
        """
        if not self.ack_key_file:
            return None
        text = read_password(self.ack_key_file, "mqtt.ack_key_file").get_secret_value()
        if not re.fullmatch("[0-9A-Fa-f]{64}", text.strip(), re.ASCII):
            reason = f"mqtt.ack_key_file: {self.ack_key_file} has no key; write what `anura-base device key` prints"
            raise ConfigError(reason)
        return bytes.fromhex(text)

    def password(self) -> SecretStr | None:
        """Read the password.

        Raises ConfigError if its file cannot be read.
        """
        return read_password(self.password_file) if self.password_file else None


class JournalSettings(Section):
    """How long the device stores its own rows, and what happens while the base station cannot be reached."""

    retention_days: Annotated[float, Field(ge=0, le=36_500)] = 90.0
    """Delivered rows are stored for this many days, for `anura-edge resend`. Rows that are not delivered are stored
    until they are."""
    max_mb: Annotated[float, Field(ge=1)] = 500.0
    """Size limit of the journal, in MB. Above it, delivered rows are deleted immediately, oldest first. If none is
    left, other rows follow, and a notice counts them."""
