"""The base station's settings: one small YAML file, checked once."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from anura_base.config.alerts import Alerts
from anura_edge.config import yaml_loader
from anura_edge.config.yaml_loader import Latitude, Longitude, Section, Zone
from anura_edge.errors import ConfigError
from anura_edge.wire import Name

ENV_PREFIX = "ANURA_BASE__"
"""Not the device's: both may run on one machine."""

Port = Annotated[int, Field(ge=1, le=65_535)]


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError("not an address or a network; write it as 127.0.0.1 or 10.0.0.0/8") from error


Network = Annotated[str, AfterValidator(_network)]

SectionT = TypeVar("SectionT", bound=Section)


class Mqtt(Section):
    """The broker."""

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: str = Field(default="anura-base", min_length=1, max_length=64)
    """The broker keeps our subscription under this name; two clients of one name throw each other out."""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificates to trust, in PEM form; with it the connection is encrypted."""


class Web(Section):
    """The page. Without users it has no login, so it listens on this machine alone unless told otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0 picks a free one."""
    trusted_proxies: tuple[Network, ...] = ()
    """Who may say for whom it asks: addresses or networks of the reverse proxy. With one, a login is always needed."""
    tls_cert_file: Path | None = None
    """The certificate and those above it, in PEM form; with it the page is encrypted without a proxy."""
    tls_key_file: Path | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together; give both or neither")
        return self


class HomeAssistant(Section):
    """Home Assistant's MQTT discovery: devices and last calls as entities."""

    enabled: bool = False
    prefix: str = Field(default="homeassistant", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    """The topic under which Home Assistant looks."""


class Explore(Section):
    """The page that hears recordings which its visitors send."""

    bundle: Path | None = None
    """Folder of a model bundle; none is the one that comes with anura-edge."""


class Retention(Section):
    """How long rows stay after they have come. Nothing goes unless it is asked for."""

    events_days: float | None = Field(default=None, ge=1, le=36_500)
    effort_days: float | None = Field(default=None, ge=1, le=36_500)
    clips_days: float | None = Field(default=None, ge=1, le=36_500)
    """A clip goes with its call, too."""


class Clips(Section):
    """Audio around calls, as far as devices send it. What has no room is refused, and says so."""

    max_mb: float = Field(default=2_000, ge=1, le=1e9)
    """For all of them."""
    max_mb_per_device: float = Field(default=500, ge=1, le=1e9)
    unfinished_days: float = Field(default=14, ge=0.01, le=3_650)
    """What has not come after so long is asked for no more, and what came of it goes."""


class Site(Section):
    """Where devices stand: for the sun's times, local nights and the map."""

    title: str | None = Field(default=None, max_length=100)
    """A name for people; without one, the site's own."""
    latitude_deg: Latitude | None = None
    longitude_deg: Longitude | None = None
    zone: Zone = "UTC"
    habitat: str | None = Field(default=None, max_length=500)


class Settings(Section):
    """Everything that can be set."""

    # `schema` is a method of pydantic's models, so the attribute needs another name than the key.
    schema_id: Literal[1] = Field(alias="schema", default=1)
    state_dir: Path = Path("~/.local/state/anura-base")
    database: str | None = None
    """SQLAlchemy's URL; without one, `anura-base.db` in `state_dir`."""
    mqtt: Mqtt = Mqtt()
    web: Web = Web()
    retention: Retention = Retention()
    clips: Clips = Clips()
    sites: dict[Name, Site] = Field(default_factory=dict)
    """By the name that the site's devices use. What stands here goes before what the devices say."""
    alerts: Alerts = Alerts()
    home_assistant: HomeAssistant = HomeAssistant()
    explore: Explore = Explore()

    def database_url(self) -> str:
        """Name the database, and make the folder for the default one.

        Raises ConfigError when that folder cannot be made.
        """
        if self.database is not None:
            return self.database
        folder = self.state_dir.expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"state_dir: cannot make {folder}: {error}; give a folder that can be written") from error
        return f"sqlite:///{folder.absolute() / 'anura-base.db'}"


def load(path: Path | None, database: str | None, mqtt: str | None, web: str | None) -> Settings:
    """Read the file, if there is one, and let the command line's options win.

    `mqtt` and `web` are HOST:PORT. Raises ConfigError, with the line where there is one. ANURA_BASE__SECTION__KEY
    variables go before the file, and the options before both.
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
