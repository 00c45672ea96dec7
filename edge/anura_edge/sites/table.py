"""The table of sites, `sites.csv`: where each site is, and which recordings are of it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from anura_edge.config.analysis import AudioSettings
from anura_edge.config.yaml_loader import is_zone
from anura_edge.errors import ConfigError
from anura_edge.wire import is_name

COLUMNS = ("site", "latitude", "longitude", "zone", "offset", "from", "to", "folder", "prefix", "serial")

FILE_NAME = "sites.csv"
"""Name of the table in the folder of a journal."""


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Position and time zone of a site."""

    zone: str
    latitude_deg: float | None = None
    longitude_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SiteLine:
    """A line of the table: a site, and the recordings that are of it. Empty columns match any recording."""

    site: str
    zone: str = ""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    utc_offset: timezone | None = None
    """Offset of the recorder's clock from UTC."""
    begin: datetime | None = None
    """First local time of the site, in its zone, of a recording of this line."""
    end: datetime | None = None
    """The first local time after it."""
    folder: str = ""
    """Folder of the recordings, below the folder that is scanned."""
    prefix: str = ""
    """Begin of the names of the recordings, as in `SMA00123`."""
    serial: str = ""
    """Serial number of the recorder, as its recordings state it."""
    where: str = ""
    """File and line, for messages."""

    @property
    def place(self) -> SitePlace | None:
        """Where the site is. None if its zone is not known."""
        return SitePlace(self.zone, self.latitude_deg, self.longitude_deg) if self.zone else None

    @property
    def has_key(self) -> bool:
        """Whether it names its recordings. Else the name of the site does."""
        return bool(self.folder or self.prefix or self.serial)


def read_lines(file: Path) -> list[SiteLine]:
    """Read a CSV table of sites. Only the column `site` is required; columns with other names are ignored.

    Raises ConfigError with the line of a wrong value.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {file}: {reason}; name a CSV table of sites") from error
    lines = csv.DictReader(text.splitlines())
    if "site" not in (lines.fieldnames or ()):
        raise ConfigError(f"{file}: no column 'site'; the columns are {', '.join(COLUMNS)}")
    return [_line({**line}, f"{file}, line {lines.line_num}") for line in lines]


def places_of(lines: Iterable[SiteLine]) -> dict[str, SitePlace]:
    """Return where the sites are. Sites without a zone are left out."""
    return {line.site: line.place for line in lines if line.place}


def merge_lines(old: Iterable[SiteLine], new: Iterable[SiteLine]) -> list[SiteLine]:
    """Return the new lines, and the old ones of other sites. A new line without a zone keeps the place of its site."""
    former = {line.site: line for line in old}
    merged = [
        line
        if line.zone or line.site not in former
        else replace(
            line,
            zone=former[line.site].zone,
            latitude_deg=former[line.site].latitude_deg,
            longitude_deg=former[line.site].longitude_deg,
        )
        for line in new
    ]
    sites = {line.site for line in merged}
    return sorted([*merged, *(line for line in former.values() if line.site not in sites)], key=lambda line: line.site)


def sites_csv(lines: Sequence[SiteLine]) -> str:
    """Return the table that `read_lines` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        times = (line.begin, line.end)
        writer.writerow(
            (
                line.site,
                *("" if value is None else value for value in (line.latitude_deg, line.longitude_deg)),
                line.zone,
                offset_text(line.utc_offset),
                *("" if time is None else time.isoformat(" ") for time in times),
                *(line.folder, line.prefix, line.serial),
            )
        )
    return text.getvalue()


def parse_utc_offset(text: str) -> timezone | None:
    """Read an offset from UTC, as in -05:00. None if it is empty.

    Raises ValueError for another text.
    """
    return AudioSettings(utc_offset=text or None).zone


def offset_text(offset: timezone | None) -> str:
    """Return an offset from UTC as in -05:00. Empty for None."""
    return datetime(2000, 1, 1, tzinfo=offset).isoformat()[-6:] if offset else ""


def _line(columns: Mapping[str, str | None], where: str) -> SiteLine:
    texts = {name: (columns.get(name) or "").strip() for name in COLUMNS}
    if not is_name(texts["site"]):
        raise ConfigError(f"{where}: site {texts['site']!r} is not a name; use up to 32 letters, digits, _ and -")
    if texts["zone"] and not is_zone(texts["zone"]):
        raise ConfigError(f"{where}: zone {texts['zone']!r} is not a time zone; write one as in America/Sao_Paulo")
    try:
        offset = parse_utc_offset(texts["offset"])
    except ValueError as error:
        raise ConfigError(f"{where}: offset {texts['offset']!r} is not an offset; write one as in -03:00") from error
    begin, end = _time(texts, "from", where), _time(texts, "to", where)
    if end and len(texts["to"]) == len("2026-11-20"):
        end += timedelta(days=1)
    if begin and end and begin >= end:
        raise ConfigError(f"{where}: to {texts['to']} is before from {texts['from']}; exchange them")
    return SiteLine(
        site=texts["site"],
        zone=texts["zone"],
        latitude_deg=_degrees(texts, "latitude", 90, where),
        longitude_deg=_degrees(texts, "longitude", 180, where),
        utc_offset=offset,
        begin=begin,
        end=end,
        folder=texts["folder"].replace("\\", "/").strip("/"),
        prefix=texts["prefix"],
        serial=texts["serial"],
        where=where,
    )


def _time(texts: Mapping[str, str], name: str, where: str) -> datetime | None:
    if not texts[name]:
        return None
    try:
        moment = datetime.fromisoformat(texts[name])
    except ValueError as error:
        raise ConfigError(
            f"{where}: {name} {texts[name]!r} is not a time; write 2026-11-20 or 2026-11-20 18:00"
        ) from error
    if moment.tzinfo:
        raise ConfigError(f"{where}: {name} {texts[name]!r} has an offset; write the local time of the site")
    return moment


def _degrees(texts: Mapping[str, str], name: str, limit: int, where: str) -> float | None:
    if not (text := texts[name]):
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -limit <= value <= limit:
        raise ConfigError(f"{where}: {name} {text!r} is not a number from -{limit} to {limit}")
    return value
