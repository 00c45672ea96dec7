"""Where sites are: from a table of sites, from options, or from the settings."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anura_edge.config.yaml_loader import is_zone
from anura_edge.errors import ConfigError

COLUMNS = ("site", "latitude", "longitude", "zone")


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Position and time zone of a site."""

    zone: str
    latitude_deg: float | None = None
    longitude_deg: float | None = None


def read_sites(file: Path) -> dict[str, SitePlace]:
    """Read a CSV table with the columns site, latitude, longitude and zone. Other columns are ignored.

    Raises ConfigError with the line of a wrong value.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {error}; name a CSV table of sites") from error
    lines = csv.DictReader(text.splitlines())
    if missing := [name for name in ("site", "zone") if name not in (lines.fieldnames or ())]:
        raise ConfigError(f"{file}: no column {missing[0]!r}; the columns are {', '.join(COLUMNS)}")
    return {(line["site"] or "").strip(): _place(line, f"{file}, line {lines.line_num}") for line in lines}


def place_sites(
    sites: Iterable[str], known: Mapping[str, SitePlace], default: SitePlace | None
) -> dict[str, SitePlace]:
    """Return the place of each site: from `known`, else `default`.

    Raises ConfigError for a site without a place, because its nights would be wrong.
    """
    places = {site: known.get(site, default) for site in sites}
    if missing := [site for site, place in places.items() if place is None]:
        raise ConfigError(
            f"the time zone of the site {', '.join(missing)} is not known; write --zone, as in --zone"
            " America/Sao_Paulo, or set device.zone, or name a table of sites with --sites"
        )
    return {site: place for site, place in places.items() if place}


def _place(line: Mapping[str, str | None], where: str) -> SitePlace:
    zone = (line["zone"] or "").strip()
    if not is_zone(zone):
        raise ConfigError(f"{where}: zone {zone!r} is not a time zone; write one as in America/Sao_Paulo")
    latitude_deg, longitude_deg = (
        _degrees(line, name, limit, where) for name, limit in (("latitude", 90), ("longitude", 180))
    )
    return SitePlace(zone, latitude_deg, longitude_deg)


def _degrees(line: Mapping[str, str | None], name: str, limit: int, where: str) -> float | None:
    text = (line.get(name) or "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -limit <= value <= limit:
        raise ConfigError(f"{where}: {name} {text!r} is not a number from -{limit} to {limit}")
    return value
