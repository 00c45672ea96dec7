"""Finds the site of a recording: by its folder, the begin of its name, or the serial number of its recorder."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from anura_edge.errors import ConfigError
from anura_edge.sites.table import SiteLine
from anura_edge.sources.metadata.filename import recorder_prefix

MAX_NAME = 32
"""Characters of the name of a site."""


class SiteBy(StrEnum):
    """What names the site of a recording where no line of a table does."""

    FOLDER = "folder"
    """The first folder below the one that is scanned."""
    PREFIX = "prefix"
    """The name of the recording before the time."""
    SERIAL = "serial"
    """The serial number of the recorder."""


StartOf = Callable[[SiteLine], datetime]
"""Returns when a recording began in UTC, if its clock has the offset of a line."""


class SiteFinder:
    """Finds the line of a recording. Pure, but for the names that it has seen."""

    def __init__(self, lines: Sequence[SiteLine], by: SiteBy | None, default: SiteLine | None = None) -> None:
        """Take the lines of a table. With `by`, each folder, prefix or serial number that no line names is a site, too.

        A line that names no folder, prefix or serial number is of the one with the name of its site. `default` is of
        the recordings that are of no other site.
        """
        self._by = by
        self._lines = [line if line.has_key else _with_key(line, by or SiteBy.FOLDER) for line in lines]
        self._default = default
        self._keys: dict[str, str] = {}
        self.needs_serial = by == SiteBy.SERIAL or any(line.serial for line in self._lines)
        """Whether recordings must be opened for the serial numbers of their recorders."""
        self.needs_start = any(line.begin or line.end for line in self._lines)
        """Whether recordings must be opened for their times."""

    def find(self, name: str, serial: str, start_of: StartOf) -> SiteLine | None:
        """Return the line of a recording, by its path below the folder that is scanned. None if no line is.

        Raises ConfigError if it is of two sites, or if two keys would have the same name.
        """
        found = [line for line in self._lines if _has_key(line, name, serial) and _has_time(line, start_of)]
        if not found:
            return self._named(name, serial) or self._default
        best = max(map(_precision, found))
        first, *others = [line for line in found if _precision(line) == best]
        if other := next((each for each in others if each.site != first.site), None):
            raise ConfigError(
                f"{name} is of {first.site} ({first.where}) and of {other.site} ({other.where}); correct one"
            )
        return first

    def _named(self, name: str, serial: str) -> SiteLine | None:
        """Return a line for the folder, prefix or serial number of a recording."""
        key = _key(self._by, name, serial) if self._by else ""
        site = site_name(key)
        if not (self._by and site):
            return None
        if (other := self._keys.setdefault(site, key)) != key:
            raise ConfigError(
                f"the {self._by} {key!r} and the {self._by} {other!r} would both be the site {site}; name their sites"
                " in a table: --sites FILE"
            )
        return _with_key(SiteLine(site), self._by, key)


def site_name(text: str) -> str:
    """Return a text as the name of a site: letters, digits, `_` and `-`, without accents. Empty if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_")[:MAX_NAME]


def _key(by: SiteBy, name: str, serial: str) -> str:
    path = PurePosixPath(name)
    if by == SiteBy.FOLDER:
        return path.parts[0] if len(path.parts) > 1 else ""
    return serial if by == SiteBy.SERIAL else recorder_prefix(path.stem)


def _with_key(line: SiteLine, by: SiteBy, key: str = "") -> SiteLine:
    """Return a line with its folder, prefix or serial number, by default the name of its site."""
    key = key or line.site
    match by:
        case SiteBy.FOLDER:
            return replace(line, folder=key)
        case SiteBy.PREFIX:
            return replace(line, prefix=key)
        case SiteBy.SERIAL:
            return replace(line, serial=key)


def _has_key(line: SiteLine, name: str, serial: str) -> bool:
    path = PurePosixPath(name)
    return (
        (not line.folder or PurePosixPath(line.folder) in path.parents)
        and (not line.prefix or _begins(path.stem, line.prefix))
        and (not line.serial or line.serial == serial)
    )


def _begins(stem: str, prefix: str) -> bool:
    """Return whether a name begins with a prefix, and the prefix ends there: `P1` is not the begin of `P10_2026`."""
    return stem.startswith(prefix) and not stem[len(prefix) : len(prefix) + 1].isalnum()


def _has_time(line: SiteLine, start_of: StartOf) -> bool:
    if not (line.begin or line.end):
        return True
    zone = ZoneInfo(line.zone) if line.zone else line.utc_offset or UTC
    local = start_of(line).astimezone(zone).replace(tzinfo=None)
    return (line.begin is None or local >= line.begin) and (line.end is None or local < line.end)


def _precision(line: SiteLine) -> tuple[bool, int, int]:
    return bool(line.serial), len(line.folder), len(line.prefix)
