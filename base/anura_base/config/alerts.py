"""Settings of alerts: the rules, and the channels that deliver them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from anura_edge.config.yaml_loader import Section
from anura_edge.wire import Name

Hours = Annotated[float, Field(gt=0, le=24 * 366)]
Species = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=1_000)]
"""Scientific names, or labels of the model."""

RENAMED_KEYS: Mapping[str, str] = {
    "alerts.rules.*.to": "channels",
    "alerts.rules.*.unheard_days": "absent_days",
    "alerts.rules.*.below": "below_ratio",
    "alerts.rules.*.nights": "baseline_nights",
    "alerts.rules.*.min_probability": "min_score",
}
"""Old keys, and what to write instead."""


class _Rule(Section):
    sites: tuple[Name, ...] = ()
    """Sites to which the rule applies; empty for all sites. List them to watch only these."""
    cooldown_h: float = Field(default=0, ge=0, le=24 * 366)
    """Hours without another alert for the same subject. Increase it when a rule sends too many alerts."""
    channels: tuple[str, ...] | None = None
    """Channels that deliver the alert: `mqtt`, `mail` and the names of webhooks. Without it, all channels. List them if
    the alert is not for everyone."""


class _CallRule(_Rule):
    species: Species = ()
    """Species to which the rule applies; empty for all species. List them to ignore common species."""
    min_score: float = Field(default=0, ge=0, le=1)
    """Lowest peak score of a call. Increase it when false alarms cause alerts."""
    max_age_h: Hours = 48
    """Oldest call, at its arrival, in hours. Increase it for alerts about the calls of cards and of devices that were
    offline."""


class FirstCall(_CallRule):
    """The first call of a species at a site in a night."""

    when: Literal["first_call_of_night"]
    """Type of the rule."""


class ListedSpecies(_CallRule):
    """A rule that raises an alert for an event of a listed species."""

    when: Literal["listed_species"]
    """Type of the rule."""
    species: Species = Field(min_length=1)
    """The listed species."""
    cooldown_h: float = Field(default=12, ge=0, le=24 * 366)
    """Hours without another alert for the same species and site. Decrease it for more alerts."""


class RareSpecies(_CallRule):
    """A call of a species that was not detected at its site for a long time, or never."""

    when: Literal["rare_species"]
    """Type of the rule."""
    absent_days: float = Field(default=30, gt=0, le=3_660)
    """Days without a call of the species at the site. Increase it for fewer alerts."""


class DeviceSilent(_Rule):
    """A device from which nothing was received."""

    when: Literal["device_silent"]
    """Type of the rule."""
    after_h: Hours
    """Hours without a message. Choose more for a device that is often offline."""


class DeviceHealth(_Rule):
    """A device whose health message reports a problem. At least one limit is required."""

    when: Literal["device_health"]
    """Type of the rule."""
    disk_below_gb: float | None = Field(default=None, gt=0)
    """Free disk space in gigabytes, below which an alert is sent. Leave time to replace or empty the disk."""
    backlog_above_rows: int | None = Field(default=None, gt=0)
    """Rows in the outbox, above which an alert is sent. Choose more for a device that is often offline."""
    backlog_above_h: Hours | None = None
    """Waiting time of the oldest row in the outbox in hours, above which an alert is sent. Choose more for a device
    that is often offline."""
    temperature_above_c: float | None = Field(default=None, ge=-50, le=150)
    """Temperature of the device in °C, above which an alert is sent. Choose less than the temperature at which the
    processor slows down."""
    clock_not_synchronised: bool = False
    """Whether to send an alert when the device's clock is not synchronised. Turn it on if times must be exact."""
    any_problem: bool = False
    """Whether to send an alert for each problem in the health message. Turn it on to miss none."""
    cooldown_h: float = Field(default=6, ge=0, le=24 * 366)
    """Hours without another alert for the same device and limit. Increase it if a value often crosses its limit."""

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if not self.model_fields_set - {"when", "sites", "cooldown_h", "channels"}:
            raise ValueError("contains no limit; give one, as in disk_below_gb: 2")
        return self


class EffortLow(_Rule):
    """A device that analysed much less audio in a night than usual."""

    when: Literal["effort_low"]
    """Type of the rule."""
    below_ratio: float = Field(default=0.5, gt=0, lt=1)
    """Ratio of the night's hours to the usual hours, below which an alert is sent. Decrease it for fewer alerts."""
    baseline_nights: int = Field(default=7, ge=2, le=60)
    """Number of previous nights, whose mean is the usual value. Decrease it if the schedule changes often."""


Rule = Annotated[
    FirstCall | ListedSpecies | RareSpecies | DeviceSilent | DeviceHealth | EffortLow, Field(discriminator="when")
]
CallRule = FirstCall | ListedSpecies | RareSpecies


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise ValueError("not a valid address; write it as https://example.org/hook, without a password in it")
    return url


class WebhookSettings(Section):
    """A web server that receives alerts, signed as standardwebhooks.com describes. Redirects are not followed."""

    url: Annotated[str, AfterValidator(_check_url)]
    """Address that receives a POST request for each alert."""
    secret_file: Path
    """File with the secret that signs the requests: `whsec_` and the base64 of 24 to 64 random bytes."""
    timeout_s: float = Field(default=10, gt=0, le=60)
    """Longest time for a request in seconds. Increase it for a slow server."""


class MailSettings(Section):
    """A mail server that sends alerts as e-mails."""

    host: str = Field(min_length=1)
    """Host name of the mail server."""
    port: int = Field(default=587, ge=1, le=65_535)
    """Port of the mail server. With `security: tls` it is usually 465."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """Encryption: `tls` from the first byte, `starttls` after a greeting, `none` only in a trusted network."""
    ca_file: Path | None = None
    """PEM file with the certificates to trust, if the system's certificates are not enough."""
    username: str | None = None
    """User name for the mail server, if it requires a login."""
    password_file: Path | None = None
    """File whose first line is the password."""
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    """Address in the From field."""
    recipients: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(min_length=1, max_length=50)
    """Addresses that receive the e-mails."""
    timeout_s: float = Field(default=20, gt=0, le=120)
    """Longest wait for the mail server in seconds. Increase it for a slow server."""

    @model_validator(mode="after")
    def _check_login(self) -> Self:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together; give both or neither")
        if self.username is not None and self.security == "none":
            raise ValueError("a password is only sent over an encrypted connection; use security: starttls or tls")
        return self


class AlertSettings(Section):
    """Alerts: which events cause one, and the channels that deliver it."""

    rules: dict[Name, Rule] = Field(default_factory=dict)
    """Rules by name. The name is part of each alert."""
    mqtt: bool = False
    """Whether to publish alerts to the broker, as anura/v1/alerts/{rule}. Turn it on for other programs."""
    webhooks: dict[Name, WebhookSettings] = Field(default_factory=dict)
    """Web servers that receive alerts, by name."""
    mail: MailSettings | None = None
    """Mail server, for alerts by e-mail."""

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        known = self.channels()
        if reserved := {"mqtt", "mail"} & self.webhooks.keys():
            raise ValueError(f"webhooks.{min(reserved)}: this name is reserved; choose another")
        for name, rule in self.rules.items():
            if unknown := set(rule.channels or ()) - set(known):
                names = ", ".join(known) or "none yet"
                raise ValueError(f"rules.{name}.channels: unknown channel {min(unknown)!r}; known channels: {names}")
        return self

    def channels(self) -> tuple[str, ...]:
        """Return the names of all channels."""
        return (*(("mqtt",) if self.mqtt else ()), *(("mail",) if self.mail else ()), *self.webhooks)

    def channels_of(self, rule: str) -> tuple[str, ...]:
        """Return the names of the channels that deliver a rule's alerts."""
        chosen = self.rules[rule].channels
        return self.channels() if chosen is None else tuple(dict.fromkeys(chosen))
