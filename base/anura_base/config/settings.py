"""The base station's settings: one small YAML file, checked at the start."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from anura_base.config.alerts import RENAMED_KEYS, AlertSettings
from anura_base.config.digests import DigestSettings
from anura_edge.config import yaml_loader
from anura_edge.config.paths import STATE_HOME, expand_state_dir
from anura_edge.config.yaml_loader import Latitude, Longitude, Section, Zone
from anura_edge.errors import ConfigError
from anura_edge.wire import Name

ENV_PREFIX = "ANURA_BASE__"
"""Different from the device's prefix: both programs may run on one machine."""

Port = Annotated[int, Field(ge=1, le=65_535)]


def _check_network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError("not an address or a network; write it as 127.0.0.1 or 10.0.0.0/8") from error


Network = Annotated[str, AfterValidator(_check_network)]

SectionT = TypeVar("SectionT", bound=Section)


class MqttSettings(Section):
    """Settings of the connection to the MQTT broker."""

    host: str = "127.0.0.1"
    """Host name of the broker. Set it if the broker runs on another machine."""
    port: Port = 1883
    """Port of the broker. With TLS it is usually 8883."""
    client_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Name of the session at the broker, which stores messages under it while the base station is off. Without it, the
    name contains the identity of the database, so two base stations never share one. Set it if the broker demands a
    name."""
    username: str | None = None
    """User name, if the broker requires a login."""
    password_file: Path | None = None
    """File whose first line is the password."""
    ca_file: Path | None = None
    """PEM file with the certificates to trust. It turns TLS on."""


class WebSettings(Section):
    """The web pages and the API. Without users there is no login, and only this machine may connect."""

    host: str = "127.0.0.1"
    """Address to listen on. Set it to 0.0.0.0 for access from other machines."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """Port to listen on. 0 selects a free port."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks of reverse proxies, whose X-Forwarded headers are trusted. With a proxy, a login is always
    required."""
    path_prefix: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]{1,100}){0,5}$")
    """Path below which a reverse proxy serves the pages, as in /frogs. `X-Forwarded-Prefix` of a trusted proxy has
    priority."""
    tls_cert_file: Path | None = None
    """PEM file with the certificate and its chain. It turns HTTPS on without a proxy."""
    tls_key_file: Path | None = None
    """PEM file with the private key of the certificate."""

    @model_validator(mode="after")
    def _check_key_pair(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together; give both or neither")
        return self


class HomeAssistantSettings(Section):
    """MQTT discovery of Home Assistant: devices and their last calls as entities."""

    enabled: bool = False
    """Whether to publish the entities. Turn it on if Home Assistant uses the same broker."""
    discovery_prefix: str = Field(default="homeassistant", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    """Topic under which Home Assistant expects them. Set it to the prefix in Home Assistant's own settings."""


class ExploreSettings(Section):
    """The page on which visitors analyse their own recordings."""

    bundle: Path | None = None
    """Folder of the model bundle, or `default`, `small` or `stream` of the anura-edge package. Without it, `default`.
    Set it to use another model."""


class MapSettings(Section):
    """The map of the sites. It shows no tiles from the internet."""

    outline_file: Path | None = None
    """GeoJSON file whose lines and polygons are drawn below the sites, such as a coast, a lake or a reserve. Set it to
    find your way on the map."""


class RetentionSettings(Section):
    """How long rows are stored after they were received, in days of running time. By default they are never removed.

    The time while the base station is off does not count, and no clock that somebody can set: it may be wrong.
    """

    events_days: float | None = Field(default=None, ge=1, le=36_500)
    """Days until events are removed. Set it when the disk is too small."""
    effort_days: float | None = Field(default=None, ge=1, le=36_500)
    """Days until effort is removed. Without effort, the rates of that time are lost."""
    clips_days: float | None = Field(default=None, ge=1, le=36_500)
    """Days until clips are removed. Set it when the disk is too small. A clip is also removed with its event."""
    refused_days: float | None = Field(default=None, ge=1, le=36_500)
    """Days until refused messages are removed. Set it so that the page shows recent ones only. The last 1,000 are kept
    at most."""


class ClipSettings(Section):
    """Limits for the clips that devices upload. A clip beyond a limit is refused, and its page says why."""

    max_mb: float = Field(default=2_000, ge=1, le=1e9)
    """Size of all clips together, in megabytes. Increase it on a large disk."""
    max_mb_per_device: float = Field(default=500, ge=1, le=1e9)
    """Size of the clips of one device, in megabytes. Decrease it if many devices share the space."""
    unfinished_days: float = Field(default=14, ge=0.01, le=3_650)
    """Days until an incomplete clip is removed and no longer requested. Increase it for devices that are often
    offline."""


class Site(Section):
    """A site: its name for people, its position and its time zone."""

    title: str | None = Field(default=None, max_length=100)
    """Name on the pages. Set it for a name with spaces or accents. Without it, the name that the devices use."""
    latitude_deg: Latitude | None = None
    """Latitude in degrees; north is positive. It is needed for sunset and the map."""
    longitude_deg: Longitude | None = None
    """Longitude in degrees; east is positive. It is needed for sunset and the map."""
    zone: Zone = "UTC"
    """Time zone, as in America/Sao_Paulo. A night lasts from noon to noon in it. Set it if no device reports it."""
    habitat: str | None = Field(default=None, max_length=500)
    """Description of the habitat, for exports."""


class Settings(Section):
    """All settings of the base station."""

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "home_assistant.prefix": "home_assistant.discovery_prefix",
        **RENAMED_KEYS,
    }

    # `schema` is a method of pydantic's models, so the attribute needs another name than the key.
    schema_id: Literal[1] = Field(alias="schema", default=1)
    """Version of this format."""
    state_dir: Path = STATE_HOME / "anura-base"
    """Folder of the default database. Set it to a disk that survives power cuts well."""
    database: str | None = None
    """SQLAlchemy URL of the database. Without it, the SQLite file `anura-base.db` in `state_dir`. Set it to use
    PostgreSQL."""
    mqtt: MqttSettings = MqttSettings()
    web: WebSettings = WebSettings()
    retention: RetentionSettings = RetentionSettings()
    clips: ClipSettings = ClipSettings()
    sites: dict[Name, Site] = Field(default_factory=dict)
    """Sites, by the name that the devices use. A site here has priority over what its devices report."""
    alerts: AlertSettings = AlertSettings()
    digests: dict[Name, DigestSettings] = Field(default_factory=dict)
    """Digests of each night, by name: sent at a time of the day by the channels of `alerts`."""
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    explore: ExploreSettings = ExploreSettings()
    map: MapSettings = MapSettings()

    @model_validator(mode="after")
    def _check_digest_channels(self) -> Self:
        known = self.alerts.channels()
        for name, digest in self.digests.items():
            if unknown := set(digest.channels or ()) - set(known):
                names = ", ".join(known) or "none yet"
                raise ValueError(f"digests.{name}.channels: unknown channel {min(unknown)!r}; known channels: {names}")
            if not known:
                raise ValueError(f"digests.{name}: alerts has no channel; set alerts.mqtt, alerts.mail or a webhook")
        return self

    def database_url(self) -> str:
        """Return the URL of the database, and create the folder of the default one.

        Raises ConfigError when that folder cannot be created.
        """
        if self.database is not None:
            return self.database
        folder = expand_state_dir(self.state_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"state_dir: cannot create {folder}: {error}; name a writable folder") from error
        return f"sqlite:///{folder.absolute() / 'anura-base.db'}"


def load(path: Path | None, database: str | None, mqtt: str | None, web: str | None) -> Settings:
    """Read the settings file, if given. Variables ANURA_BASE__SECTION__KEY override it; the options override both.

    `mqtt` and `web` are HOST:PORT. Raises ConfigError, with file and line where possible.
    """
    settings = yaml_loader.load(Settings, path, prefix=ENV_PREFIX)
    return settings.model_copy(
        update={
            "database": database or settings.database,
            "mqtt": _override(settings.mqtt, "--mqtt", mqtt),
            "web": _override(settings.web, "--web", web),
        }
    )


def _override(section: SectionT, option: str, value: str | None) -> SectionT:
    if value is None:
        return section
    host, _, port = value.rpartition(":")
    try:
        return type(section).model_validate({**dict(section), "host": host.strip("[]"), "port": int(port)})
    except ValueError as error:
        raise ConfigError(f"{option}: {value!r} is not HOST:PORT, as in 127.0.0.1:1883") from error
