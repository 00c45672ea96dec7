"""What a scan is going to do: its files, sites, hours, clocks and bad files, and how long it will take."""

import time
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anura_edge.app.scan_files import BLOCK_S
from anura_edge.app.site_opener import NO_SITE, OpenedFile, SiteOpener
from anura_edge.config.device import Config
from anura_edge.detection.detector import Detector
from anura_edge.errors import UnreadableError
from anura_edge.inference.loading import load_model
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import OTHER_FILE, check_kind
from anura_edge.sources.files.scan import FoundFile
from anura_edge.sources.formats.kinds import AUDIO_SUFFIXES
from anura_edge.store.scan_history import ScanHistory
from anura_edge.updates.active import active_settings

MEASURED_S, MAX_MEASURING_S = 60.0, 3.0
"""Seconds of audio that are analysed to measure the speed, and the longest time for it."""


@dataclass(slots=True)
class SitePlan:
    """What a scan is going to do at one site."""

    site: str
    """Empty if the recordings are of no site, or if it is not known yet."""
    recordings: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    """Duration of the audio; without that of FLAC files whose header has no length. 0 if no file was opened."""
    known: int = 0
    """Recordings that the model has analysed before."""
    known_s: float = 0.0
    first_utc: datetime | None = None
    last_utc: datetime | None = None
    """End of the last recording."""
    clocks: dict[str, int] = field(default_factory=dict)
    """Recordings by the source of their clock."""

    def add(self, opened: OpenedFile, file: FoundFile, *, is_known: bool) -> None:
        """Count a recording."""
        recording, seconds = opened.sound.recording, opened.sound.samples / opened.sound.recording.rate_hz
        begin, end = recording.start_utc, recording.start_utc + timedelta(seconds=seconds)
        self.recordings += 1
        self.size_bytes += file.size
        self.seconds += seconds
        self.known += is_known
        self.known_s += seconds if is_known else 0.0
        self.first_utc = min(self.first_utc or begin, begin)
        self.last_utc = max(self.last_utc or end, end)
        self.clocks[recording.clock_source] = self.clocks.get(recording.clock_source, 0) + 1


@dataclass(slots=True)
class ScanPlan:
    """What a scan is going to do."""

    sites: dict[str, SitePlan] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    """Files that cannot be analysed, by reason."""
    without_site: list[str] = field(default_factory=list)
    """Recordings that are of no site."""
    first_new: AudioFile | None = None
    """A recording that is to be analysed."""

    @property
    def recordings(self) -> int:
        """Number of readable recordings of all sites."""
        return sum(site.recordings for site in self.sites.values())

    @property
    def new_s(self) -> float:
        """Seconds of audio that are to be analysed."""
        return sum(site.seconds - site.known_s for site in self.sites.values())

    def of(self, site: str) -> SitePlan:
        """Return the plan of a site."""
        return self.sites.setdefault(site, SitePlan(site))


def plan_names(files: Iterable[FoundFile], opener: SiteOpener) -> ScanPlan:
    """Return how many recordings each site has, by the names of the files.

    Raises ConfigError if a recording is of two sites.
    """
    plan = ScanPlan()
    for file in files:
        if file.path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        if not (site := opener.site_of(file)):
            plan.without_site.append(file.name)
        else:
            plan.of(site).recordings += 1
            plan.of(site).size_bytes += file.size
    return plan


def plan_recordings(files: Iterable[FoundFile], opener: SiteOpener, history: ScanHistory | None) -> ScanPlan:
    """Open each file, and return what a scan is going to do. `history` tells which recordings are known.

    Raises ConfigError if a recording is of two sites.
    """
    plan = ScanPlan()
    for file in files:
        try:
            check_kind(file.path)
            opened = opener.open(file)
        except UnreadableError as error:
            if error.reason == NO_SITE:
                plan.without_site.append(file.name)
            elif error.reason != OTHER_FILE:
                plan.unreadable[error.reason] += 1
            continue
        previous = history.find(opened.sound.identity) if history else None
        is_known = previous is not None and (previous.is_same or previous.is_better)
        plan.of(opened.owner.site).add(opened, file, is_known=is_known)
        if not is_known:
            plan.first_new = plan.first_new or opened.sound
    return plan


def measure_speed(config: Config, sound: AudioFile) -> float:
    """Analyse the begin of a recording, and return how many seconds of audio one core analyses in a second.

    Raises ModelError if the model cannot be loaded.
    """
    bundle, model = load_model(active_settings(config), config.engines_path)
    detector = Detector(bundle, model, config.detect, BLOCK_S)
    detector.begin(sound.recording.rate_hz)
    began_s, samples = time.monotonic(), 0
    with suppress(UnreadableError):
        for chunk in sound.chunks():
            deque(detector.feed(chunk.channel(0)), maxlen=0)
            samples = chunk.end_sample
            if samples >= MEASURED_S * sound.recording.rate_hz or time.monotonic() - began_s > MAX_MEASURING_S:
                break
    deque(detector.end(), maxlen=0)
    return samples / sound.recording.rate_hz / max(time.monotonic() - began_s, 1e-6)
