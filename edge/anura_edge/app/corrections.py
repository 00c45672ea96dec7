"""Decides what is right about the recordings of a journal, by the options of `anura-edge correct`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase

from anura_edge.audio import ClockSource
from anura_edge.sites.finder import SiteFinder
from anura_edge.sites.table import SiteLine
from anura_edge.sources.metadata.resolve import FUTURE, UNSET_BEFORE
from anura_edge.store.corrections import RecordingCorrection, StoredRecording
from anura_edge.wire import Owner


@dataclass(frozen=True, slots=True)
class WantedCorrection:
    """What a person says about recordings."""

    finder: SiteFinder
    """Finds the site and the offset of a recording."""
    utc_offset: timezone | None = None
    """Offset of the clocks whose line has none."""
    shift: timedelta = timedelta()
    """How much the clocks were slow."""
    pattern: str = "*"
    """Pattern of the paths of the recordings."""
    of_site: str | None = None
    """Only recordings that are of this site now. None: of any."""


def plan_corrections(
    recordings: Iterable[StoredRecording], wanted: WantedCorrection, now: datetime
) -> list[RecordingCorrection]:
    """Return the corrections of the recordings about which something is wrong.

    Raises ConfigError if a recording is of two sites.
    """
    selected = (
        each
        for each in recordings
        if fnmatchcase(each.name, wanted.pattern) and wanted.of_site in (None, each.owner.site)
    )
    corrections = (_correction(each, wanted, now) for each in selected)
    return [each for each in corrections if each.changes_site or each.changes_time]


def _correction(recording: StoredRecording, wanted: WantedCorrection, now: datetime) -> RecordingCorrection:
    def start_of(line: SiteLine) -> datetime:
        return _start(recording, line.utc_offset or wanted.utc_offset, wanted.shift)

    line = wanted.finder.find(recording.name, "", start_of)
    offset = (line and line.utc_offset) or wanted.utc_offset
    start = _start(recording, offset, wanted.shift)
    owner = Owner(line.site, recording.owner.device) if line else recording.owner
    is_plausible = start.replace(tzinfo=None) >= UNSET_BEFORE and start <= now + FUTURE
    is_known_now = offset and recording.clock_source == ClockSource.UNKNOWN and is_plausible
    clock_source = ClockSource.RECORDER if is_known_now else recording.clock_source
    return RecordingCorrection(recording, owner, start - recording.start_utc, clock_source)


def _start(recording: StoredRecording, offset: timezone | None, shift: timedelta) -> datetime:
    """Return when a recording began.

    An offset counts from the local time in the name, so it replaces an earlier offset or shift. It changes nothing if
    the recording states an offset, or if its time is not from its own clock.
    """
    local = _local_start(recording)
    if offset is None or local is None:
        return recording.start_utc + shift
    return local.replace(tzinfo=offset).astimezone(UTC) + shift


def _local_start(recording: StoredRecording) -> datetime | None:
    """Return the time of the recorder's own clock. None if it is not known, or if it has an offset."""
    if recording.clock_source not in (ClockSource.UNKNOWN, ClockSource.RECORDER):
        return None
    if recording.named_start:
        named = datetime.fromisoformat(recording.named_start)
        return None if named.tzinfo else named
    return recording.start_utc.replace(tzinfo=None) if recording.clock_source == ClockSource.UNKNOWN else None
