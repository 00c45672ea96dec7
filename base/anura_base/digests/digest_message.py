"""The message of a digest. Its fields are public: new ones may be added, but none is renamed."""

from datetime import date, datetime
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from anura_base.digests.night_digest import NightDigest

SCHEMA: Literal["anura-digest/1"] = "anura-digest/1"

_templates = Environment(
    loader=PackageLoader("anura_base.digests"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def digest_html(title: str, digest: NightDigest) -> str:
    """Return the digest as one HTML page without any other file."""
    return _templates.get_template("digest.html").render(title=title, digest=digest)


def digest_text(title: str, digest: NightDigest) -> str:
    """Return the digest as plain text."""
    lines = [f"{title}, night of {digest.evening}", "", f"{digest.summary}."]
    lines += [f"Attention: {name}: {problems}" for name, problems in digest.visits]
    for site in digest.sites:
        lines += [
            "",
            f"{site.title}: {site.analysed_h:.1f} h analysed ({site.zone})",
            *map("! {}".format, site.anomalies),
        ]
        lines += [
            f"  {each.name}: {each.calls:,} calls, {_rate(each.calls_per_hour)}, first {each.first}, last {each.last}"
            for each in site.species
        ]
    return "\n".join(lines) + "\n"


def _rate(calls_per_hour: float | None) -> str:
    return "nothing analysed" if calls_per_hour is None else f"{calls_per_hour:.3g} per hour analysed"


class DigestMessage(BaseModel):
    """A digest in the JSON form that programs receive by MQTT or webhook."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_id: Literal["anura-digest/1"] = Field(alias="schema", default=SCHEMA)
    id: str
    """The same at each delivery."""
    name: str
    """Name of the digest in the settings."""
    evening: date
    sent_utc: datetime
    text: str
    """The night in one sentence."""
    sites: list[dict[str, Any]]
    """For each site: its name, the hours analysed, the species, and the anomalies."""
    devices: list[dict[str, str]]
    """The devices that need attention, each with its problems."""
    plain: str = Field(exclude=True)
    """The digest as plain text."""
    html: str = Field(exclude=True)
    """The digest as HTML."""

    @property
    def topic(self) -> str:
        """The MQTT topic."""
        return f"anura/v1/digests/{self.name}"

    @property
    def subject_line(self) -> str:
        """The subject of the e-mail."""
        return f"anura: {self.text}"

    def to_bytes(self) -> bytes:
        """Encode as JSON."""
        return self.model_dump_json(by_alias=True).encode()


def digest_message(name: str, digest: NightDigest, now: datetime) -> DigestMessage:
    """Return the message of a digest."""
    sites = [
        {
            "site": site.name,
            "analysed_h": round(site.analysed_h, 4),
            "species": [
                {"species": each.name, "calls": each.calls, "calls_per_hour": each.calls_per_hour,
                 "first": each.first, "last": each.last}
                for each in site.species
            ],
            "anomalies": list(site.anomalies),
        }
        for site in digest.sites
    ]  # fmt: skip
    return DigestMessage(
        id=f"digest-{name}-{digest.evening:%Y%m%d}",
        name=name,
        evening=digest.evening,
        sent_utc=now,
        text=digest.summary,
        sites=sites,
        devices=[{"device": device, "problems": problems} for device, problems in digest.visits],
        plain=digest_text(name, digest),
        html=digest_html(name, digest),
    )
