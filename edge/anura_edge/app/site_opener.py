"""Opens the files of a scan, each with the site and the clock offset of its line in the table of sites."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from threading import Lock

from anura_edge.config.device import Config
from anura_edge.errors import UnreadableError
from anura_edge.sites.finder import SiteFinder, StartOf
from anura_edge.sites.table import SiteLine
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.files.scan import FoundFile
from anura_edge.wire import Owner

NO_SITE = "no_site"
"""Reason for a file that is of no site. It waits for another scan."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An opened file, and whose its rows are."""

    sound: AudioFile
    owner: Owner


class SiteOpener:
    """Opens files. Threads may share it."""

    def __init__(self, config: Config, finder: SiteFinder | None = None) -> None:
        """Without a finder all files are of the device's own site."""
        self._config, self._finder = config, finder
        self._lock = Lock()
        self._used: dict[str, SiteLine] = {}

    @property
    def needs_files(self) -> bool:
        """Whether files must be opened to know their sites."""
        return self._finder is not None and (self._finder.needs_serial or self._finder.needs_start)

    @property
    def used_lines(self) -> Sequence[SiteLine]:
        """The lines of the files that were opened or found, in alphabetical order of their sites."""
        if not self._finder:
            return [self._completed(SiteLine(self._config.device.site))]
        return sorted(self._used.values(), key=lambda line: (line.site, line.where))

    def open(self, file: FoundFile) -> OpenedFile:
        """Open a file.

        Raises UnreadableError if it cannot be read or is of no site, ConfigError if it is of two.
        """
        zone = self._config.audio.zone
        if not self._finder:
            return OpenedFile(open_file(file.path, file.name, zone), self._config.device.owner)
        opened: dict[timezone | None, AudioFile] = {}

        def sound_of(offset: timezone | None) -> AudioFile:
            if offset not in opened:
                opened[offset] = open_file(file.path, file.name, offset)
            return opened[offset]

        def start_of(line: SiteLine) -> datetime:
            return sound_of(line.utc_offset or zone).recording.start_utc

        serial = (sound_of(zone).metadata.serial or "") if self._finder.needs_serial else ""
        line = self._completed(self._find(self._finder, file, serial, start_of))
        return OpenedFile(sound_of(line.utc_offset), Owner(line.site, self._config.device.name))

    def site_of(self, file: FoundFile) -> str:
        """Return the site of a file without opening it. Empty if it is of none, or if only its content says so.

        Raises ConfigError if it is of two.
        """
        if not self._finder:
            return self._config.device.site
        if self.needs_files:
            return ""
        line = self._finder.find(file.name, "", lambda _: datetime.min)
        return self._completed(line).site if line else ""

    def _find(self, finder: SiteFinder, file: FoundFile, serial: str, start_of: StartOf) -> SiteLine:
        if line := finder.find(file.name, serial, start_of):
            return line
        raise UnreadableError(
            NO_SITE,
            f"{file.path}: of no site; name its folder, prefix or serial number in the table of sites, or"
            " write --site NAME for such recordings",
        )

    def _completed(self, line: SiteLine) -> SiteLine:
        """Return a line with the zone, position and offset of the settings where it has none, and remember it."""
        device, zone = self._config.device, self._config.audio.zone
        has_place = line.latitude_deg is not None or line.longitude_deg is not None
        full = replace(
            line,
            zone=line.zone or device.zone or "",
            latitude_deg=line.latitude_deg if has_place else device.latitude_deg,
            longitude_deg=line.longitude_deg if has_place else device.longitude_deg,
            utc_offset=line.utc_offset or zone,
        )
        with self._lock:
            self._used[f"{line.site}/{line.where}"] = full
        return full
