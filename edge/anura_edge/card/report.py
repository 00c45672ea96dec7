"""Turns what was seen of a card's files into what its owner wants to know."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, pairwise
from pathlib import Path

from anura_edge.audio import ClockSource
from anura_edge.card.schedule import Gap, Overlap, Slot, gaps, interval_s, overlaps
from anura_edge.card.survey import CardFile
from anura_edge.sources.files.scan import printable
from anura_edge.sources.metadata.audiomoth import AudioMothConfig, read_config
from anura_edge.sources.metadata.resolve import TOLERANCE, UNSET_BEFORE
from anura_edge.sources.metadata.song_meter_log import (
    MAX_LINE_BYTES,
    RangeTracker,
    ReadingRange,
    StatusLog,
    read_summary,
)

MAX_CONFIG_LINES = 200

_SUMMARY = re.compile(r"(?P<recorder>.*?)(_[A-D])?_Summary(_\d)?\.txt", re.IGNORECASE | re.DOTALL)
"""Of SM3 and SM4 by memory slot, of SM5 by number."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """One recorder's recordings."""

    name: str
    """Prefix of its names, or its serial number."""
    models: tuple[str, ...]
    serials: tuple[str, ...]
    recordings: int
    seconds: float
    first_utc: datetime | None
    last_utc: datetime | None
    """End of the last recording."""
    clock_sources: tuple[ClockSource, ...]
    interval_s: int | None
    """Usual time from one start to the next."""
    gaps: tuple[Gap, ...]
    overlaps: tuple[Overlap, ...]
    """Not the same audio twice: Song Meters 4 with firmware 1.0.8 count their samples too slowly (WA003)."""
    clock_faults: tuple[str, ...]
    battery_v: ReadingRange | None
    temperature_c: ReadingRange | None
    """As the headers of its recordings say."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is on a card."""

    audio_files: int
    other_files: int
    seconds: float
    """Audio that can be heard, each content once."""
    missing_s: float
    """Audio that headers promise and that is not there."""
    states: dict[str, int]
    """How many audio files are in each state."""
    duplicates: dict[str, str]
    """Files whose content another file has, and that file."""
    recorders: tuple[Recorder, ...]
    logs: dict[str, StatusLog]
    """What Song Meters noted of their own state, by prefix."""
    configs: tuple[AudioMothConfig, ...]
    """How the AudioMoths of this card were set."""

    @property
    def unreadable(self) -> int:
        """How many recordings cannot be heard, or not to their end."""
        return sum(count for state, count in self.states.items() if state not in ("whole", "recovered"))


def report(files: Sequence[CardFile], now: datetime) -> Card:
    """Sum up a card's files. `now` tells which times lie in the future."""
    audio = [file for file in files if file.is_audio]
    duplicates = _duplicates(audio)
    others = [file.path for file in files if not file.is_audio]
    once = [file for file in audio if file.name not in duplicates]
    return Card(
        audio_files=len(audio),
        other_files=len(others),
        seconds=sum(file.seconds for file in once),
        missing_s=sum(file.missing_s for file in once),
        states=dict(Counter(str(file.state) for file in audio)),
        duplicates=duplicates,
        recorders=tuple(_recorder(name, group, now) for name, group in sorted(_by_recorder(once).items())),
        logs=_logs(others),
        configs=tuple(config for path in others if (config := _config(path))),
    )


def _duplicates(audio: Iterable[CardFile]) -> dict[str, str]:
    first: dict[str, str] = {}
    again = {}
    for file in audio:
        if file.id and (same := first.setdefault(file.id, file.name)) != file.name:
            again[file.name] = same
    return again


def _by_recorder(audio: Iterable[CardFile]) -> dict[str, list[CardFile]]:
    """Group files; one that does not say whose it is belongs to the only recorder in its folder, if there is one."""
    audio = list(audio)
    in_folder: dict[Path, set[str]] = {}
    for file in audio:
        in_folder.setdefault(Path(file.name).parent, set()).update({file.recorder} - {""})
    groups: dict[str, list[CardFile]] = {}
    for file in audio:
        others = in_folder[Path(file.name).parent]
        owner = file.recorder or (next(iter(others)) if len(others) == 1 else "")
        groups.setdefault(owner, []).append(file)
    return groups


def _recorder(name: str, files: Sequence[CardFile], now: datetime) -> Recorder:
    opened = [file for file in files if file.id]
    slots, heard = _slots(files), _slots(opened)
    every_s = interval_s(slots)
    volts, degrees = RangeTracker(), RangeTracker()
    for file in files:
        volts.add(file.metadata.battery_v)
        degrees.add(file.metadata.temperature_c)
    return Recorder(
        name=name,
        models=tuple(sorted({model for file in files if (model := file.metadata.model)})),
        serials=tuple(sorted({serial for file in files if (serial := file.metadata.serial)})),
        recordings=len(opened),
        seconds=sum(file.seconds for file in files),
        first_utc=heard[0].start_utc if heard else None,
        last_utc=max(slot.start_utc + timedelta(seconds=slot.seconds) for slot in heard) if heard else None,
        clock_sources=tuple(sorted({file.clock_source for file in opened})),
        interval_s=every_s,
        gaps=tuple(gaps(slots, every_s)) if every_s else (),
        overlaps=tuple(overlaps(heard)),
        clock_faults=tuple(_clock_faults(files, now)),
        battery_v=volts.curve,
        temperature_c=degrees.curve,
    )


def _slots(files: Iterable[CardFile]) -> list[Slot]:
    """Return the files whose place in time is known, in order of time."""
    slots = [Slot(file.name, file.start_utc, file.seconds) for file in files if file.start_utc and _has_time(file)]
    return sorted(slots, key=lambda slot: slot.start_utc)


def _has_time(file: CardFile) -> bool:
    """Say whether a clock that was set gives it; a file's own time says nothing about a schedule."""
    return bool(file.start_utc and file.clock_source != ClockSource.FILE and not _is_unset(file.start_utc))


def _is_unset(start: datetime) -> bool:
    return start.replace(tzinfo=None) < UNSET_BEFORE


def _clock_faults(files: Sequence[CardFile], now: datetime) -> list[str]:
    """Say where a clock was never set, is ahead of ours, or goes back from one name to the next in a folder."""
    timed = [file for file in files if file.start_utc and file.clock_source != ClockSource.FILE]
    faults = []
    for file in timed:
        if file.start_utc and _is_unset(file.start_utc):
            faults.append(f"{file.name}: the clock was never set, it says {file.start_utc:%Y-%m-%d %H:%M:%S}")
        elif file.start_utc and file.start_utc > now + timedelta(days=1):
            faults.append(f"{file.name}: in the future, {file.start_utc:%Y-%m-%d %H:%M:%S}")
    for one, other in pairwise(timed):
        same_folder = Path(one.name).parent == Path(other.name).parent
        if same_folder and one.start_utc and other.start_utc and one.start_utc - other.start_utc > TOLERANCE:
            faults.append(
                f"{other.name}: the clock went back from {one.start_utc:%Y-%m-%d %H:%M:%S}"
                f" to {other.start_utc:%Y-%m-%d %H:%M:%S}"
            )
    return faults


def _logs(others: Iterable[Path]) -> dict[str, StatusLog]:
    """Read the summaries; those of slots A to D of one recorder as one."""
    parts: dict[str, list[Path]] = {}
    for path in others:
        if name := _SUMMARY.fullmatch(path.name):
            parts.setdefault(printable(Path(name["recorder"])), []).append(path)
    found = {owner: read_summary(chain.from_iterable(map(_lines, paths))) for owner, paths in parts.items()}
    return {owner: log for owner, log in found.items() if log}


def _config(path: Path) -> AudioMothConfig | None:
    if not path.name.upper().endswith("CONFIG.TXT"):
        return None
    return read_config(b"".join(islice(_lines(path), MAX_CONFIG_LINES)))


def _lines(path: Path) -> Iterable[bytes]:
    with suppress(OSError), path.open("rb") as file:  # a log that cannot be read costs no recording
        while line := file.readline(MAX_LINE_BYTES):
            yield line
