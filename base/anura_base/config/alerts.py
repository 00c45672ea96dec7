"""The rules for alerts, as they stand in the settings, and where alerts go."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from anura_edge.config.yaml_loader import Section
from anura_edge.wire import Name

Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Species = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=1_000)]
"""Scientific names, or the labels of the model."""


class _Rule(Section):
    sites: tuple[Name, ...] = ()
    """Where it holds; everywhere when none is named."""
    cooldown_h: float = Field(default=0, ge=0, le=24 * 366)
    """It is not told again of the same subject within this time."""
    to: tuple[str, ...] | None = None
    """The channels that tell it: `mqtt`, `mail` and the names of webhooks. Without it, all there are."""


class _CallRule(_Rule):
    species: Species = ()
    """Whom it concerns; everybody when none is named."""
    min_probability: float = Field(default=0, ge=0, le=1)
    max_age_h: Hours = 48
    """A call that is older when it arrives, from a card say, is no news."""


class FirstCall(_CallRule):
    """The first call of the night of a species at a site."""

    when: Literal["first_call_of_night"]


class ListedSpecies(_CallRule):
    """A call of a species that one waits for."""

    when: Literal["listed_species"]
    species: Species = Field(min_length=1)
    cooldown_h: float = Field(default=12, ge=0, le=24 * 366)


class RareSpecies(_CallRule):
    """A call of a species that was not heard at its site for long, or never."""

    when: Literal["rare_species"]
    unheard_days: float = Field(default=30, gt=0, le=3_660)


class DeviceSilent(_Rule):
    """A device of which nothing came."""

    when: Literal["device_silent"]
    after_h: Hours


class DeviceHealth(_Rule):
    """A device that says of itself what should not be."""

    when: Literal["device_health"]
    disk_below_gb: float | None = Field(default=None, gt=0)
    backlog_above_rows: int | None = Field(default=None, gt=0)
    backlog_above_h: Hours | None = None
    """How long its oldest row waits."""
    temperature_above_c: float | None = Field(default=None, ge=-50, le=150)
    clock_not_synchronised: bool = False
    any_problem: bool = False
    """Whatever it calls a problem."""
    cooldown_h: float = Field(default=6, ge=0, le=24 * 366)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set - {"when", "sites", "cooldown_h", "to"}:
            raise ValueError("names no limit; give one, as in disk_below_gb: 2")
        return self


class EffortLow(_Rule):
    """A device that listened much less in a night than it used to."""

    when: Literal["effort_low"]
    below: float = Field(default=0.5, gt=0, lt=1)
    """Which part of what is usual."""
    nights: int = Field(default=7, ge=2, le=60)
    """The nights before, whose mean is what is usual."""


Rule = Annotated[
    FirstCall | ListedSpecies | RareSpecies | DeviceSilent | DeviceHealth | EffortLow, Field(discriminator="when")
]
CallRule = FirstCall | ListedSpecies | RareSpecies


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise ValueError("not an address to send to; write it as https://example.org/hook, without a password in it")
    return url


class Webhook(Section):
    """A web server that is told of alerts, as standardwebhooks.com describes it. It alone is asked: no redirect."""

    url: Annotated[str, AfterValidator(_http)]
    secret_file: Path
    """Holds the secret that signs what is sent: `whsec_` and the base64 of 24 to 64 random bytes."""
    timeout_s: float = Field(default=10, gt=0, le=60)


class Mail(Section):
    """A mail server that passes alerts on."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`tls` from the first byte, as on port 465; `none` only where nobody listens in between."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, in PEM form."""
    username: str | None = None
    password_file: Path | None = None
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    recipients: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1, max_length=50)
    timeout_s: float = Field(default=20, gt=0, le=120)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together; give both or neither")
        if self.username is not None and self.security == "none":
            raise ValueError("a password crosses no network unencrypted; use security: starttls or tls")
        return self


class Alerts(Section):
    """What is told, and to whom."""

    rules: dict[Name, Rule] = Field(default_factory=dict)
    mqtt: bool = False
    """Whether alerts go to the broker, as anura/v1/alerts/{rule}."""
    webhooks: dict[Name, Webhook] = Field(default_factory=dict)
    mail: Mail | None = None

    @model_validator(mode="after")
    def _known_channels(self) -> Self:
        channels = self.channels()
        if twins := {"mqtt", "mail"} & self.webhooks.keys():
            raise ValueError(f"webhooks.{min(twins)}: this name is taken; choose another")
        for name, rule in self.rules.items():
            if unknown := set(rule.to or ()) - set(channels):
                there = ", ".join(channels) or "none yet"
                raise ValueError(f"rules.{name}.to: there is no channel {min(unknown)!r}; there are: {there}")
        return self

    def channels(self) -> tuple[str, ...]:
        """Name the channels that there are."""
        return (*(("mqtt",) if self.mqtt else ()), *(("mail",) if self.mail else ()), *self.webhooks)

    def channels_of(self, rule: str) -> tuple[str, ...]:
        """Name the channels that tell a rule's alerts."""
        to = self.rules[rule].to
        return self.channels() if to is None else tuple(dict.fromkeys(to))
