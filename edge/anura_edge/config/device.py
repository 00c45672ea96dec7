"""All settings of the device. They are read once at the start; the rest of the program uses typed values."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.energy import EnergySettings
from anura_edge.config.operation import (
    ClipSettings,
    DiskSettings,
    HealthSettings,
    JournalSettings,
    MqttSettings,
    WatchSettings,
)
from anura_edge.config.paths import STATE_HOME, expand_state_dir
from anura_edge.config.source import parse_source
from anura_edge.config.yaml_loader import Latitude, Longitude, Section, Zone
from anura_edge.wire import Name, Owner

DEFAULT_STATE_DIR = STATE_HOME / "anura-edge"


def _check_source(text: str) -> str:
    parse_source(text)
    return text


class DeviceSettings(Section):
    """Identity of the device. It is part of every topic and row."""

    site: Name = "site"
    """Name of the site: letters, digits, `_` and `-`. Devices of one place share it."""
    name: Name = "device"
    """Name of the device. It is unique within the site."""
    latitude_deg: Latitude | None = None
    """Latitude of the site in degrees; north is positive. The base station needs it for the map, sunset and rain."""
    longitude_deg: Longitude | None = None
    """Longitude of the site in degrees; east is positive."""
    zone: Zone | None = None
    """Time zone of the site, as in America/Sao_Paulo. The device reports it and its place to the base station, which
    counts nights in it."""

    @property
    def owner(self) -> Owner:
        """Whose the rows of this device are."""
        return Owner(self.site, self.name)


class Config(Section):
    """All settings of the device."""

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "detect.release": "detect.release_ratio",
        "watch.settle_s": "watch.debounce_s",
        "health.patience_s": "health.watchdog_timeout_s",
        "energy.duty.listen_s": "energy.duty.on_s",
        "energy.duty.every_s": "energy.duty.period_s",
        "clips.send": "clips.upload, and its value `asked` is now `on_request`",
        "clips.send_mb_per_day": "clips.upload_mb_per_day",
        "journal.keep_days": "journal.retention_days",
    }

    schema_version: Literal[1] = Field(alias="schema", default=1)
    """Version of this format."""
    source: Annotated[str, AfterValidator(_check_source)] | None = None
    """Audio source if the command line names none: mic, folder:PATH or file:PATH. Set it for a device that starts by
    itself."""
    state_dir: Path = DEFAULT_STATE_DIR
    """Folder of the journal and the clips. Set it to a disk that survives power cuts well."""
    device: DeviceSettings = DeviceSettings()
    audio: AudioSettings = AudioSettings()
    model: ModelSettings = ModelSettings()
    detect: DetectionSettings = DetectionSettings()
    watch: WatchSettings = WatchSettings()
    health: HealthSettings = HealthSettings()
    disk: DiskSettings = DiskSettings()
    energy: EnergySettings = EnergySettings()
    clips: ClipSettings = ClipSettings()
    journal: JournalSettings = JournalSettings()
    mqtt: MqttSettings | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        default = DeviceSettings()  # `config show` writes these names into a file, too
        if self.mqtt and (self.device.site == default.site or self.device.name == default.name):
            raise ValueError("set device.site and device.name: two devices with one name cannot share a broker")
        return self

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.energy.night and (self.device.latitude_deg is None or self.device.longitude_deg is None):
            raise ValueError("energy.night needs device.latitude_deg and device.longitude_deg")
        return self

    @property
    def state_path(self) -> Path:
        """The folder of all that the device stores."""
        return expand_state_dir(self.state_dir)

    @property
    def journal_path(self) -> Path:
        """The journal's database file."""
        return self.state_path / "journal.db"

    @property
    def clips_path(self) -> Path:
        """The folder of the stored clips."""
        return self.state_path / "clips"

    @property
    def models_path(self) -> Path:
        """The folder of the installed models."""
        return self.state_path / "models"

    @property
    def engines_path(self) -> Path:
        """The folder of the engines that TensorRT builds."""
        return self.state_path / "tensorrt"

    def hash(self) -> str:
        """Identify the settings that shape the events. Every row contains this hash.

        Equal settings have the same hash in every version, or a device would analyse its recordings again: a renamed
        key enters under its first name, its `serialization_alias`.
        """
        shaping = self.model_dump_json(
            by_alias=True, include={"audio", "detect"}, exclude={"audio": {"block_s"}, "detect": {"preset", "range"}}
        )
        # Settings that are newer than the first hash enter it only if they are set.
        if self.detect.preset != "default":
            shaping += self.detect.preset
        if self.detect.range:
            shaping += f"range {self.detect.range}"
        if self.energy != EnergySettings():
            shaping += self.energy.model_dump_json(by_alias=True, exclude=None if self.energy.night else {"night"})
        if self.energy.night:
            shaping += f"{self.device.latitude_deg} {self.device.longitude_deg}"
        return hashlib.sha256(shaping.encode()).hexdigest()[:12]

    def effective(self) -> dict[str, Any]:
        """Return all settings with their defaults, as a file would contain them."""
        values = self.model_dump(mode="json")
        return {"schema": values.pop("schema_version"), **values}
