"""Summarise the files of a card: by recorder, with gaps, duplicates, clock errors and battery."""

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
"""Log files of SM3 and SM4 by memory slot, of SM5 by number."""

_DAY_FOLDER = re.compile(r"\d{8}|\d{4}[-_]\d\d[-_]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecorderReport:
    """Summary of the recordings of one recorder on an SD card."""

    name: str
    """Prefix of its file names, or its serial number, or the folder of its recordings."""
    models: tuple[str, ...]
    serials: tuple[str, ...]
    recordings: int
    seconds: float
    first_utc: datetime | None
    last_utc: datetime | None
    """End of the last recording."""
    clock_sources: tuple[ClockSource, ...]
    interval_s: int | None
    """Interval of the schedule, in seconds."""
    gaps: tuple[Gap, ...]
    overlaps: tuple[Overlap, ...]
    """These contain no audio twice: Song Meters 4 with firmware 1.0.8 count their samples too slowly (WA003)."""
    clock_faults: tuple[str, ...]
    battery_v: ReadingRange | None
    temperature_c: ReadingRange | None
    """From the headers of the recordings."""


@dataclass(frozen=True, slots=True)
class CardReport:
    """Summary of an SD card."""

    audio_files: int
    other_files: int
    seconds: float
    """Duration of readable audio, without copies."""
    missing_s: float
    """Duration that headers declare and files do not contain."""
    states: dict[str, int]
    """Number of audio files in each state."""
    duplicates: dict[str, str]
    """Copies, and the file that each is a copy of."""
    recorders: tuple[RecorderReport, ...]
    logs: dict[str, StatusLog]
    """Status logs of Song Meters, by prefix."""
    configs: tuple[AudioMothConfig, ...]
    """Settings of the AudioMoths of this card."""
    skipped: tuple[str, ...] = ()
    """Folders and links that were not followed or could not be read, each with the reason."""

    @property
    def is_complete(self) -> bool:
        """Whether there are recordings, and all of them are readable to their end."""
        return self.audio_files > 0 and not (self.unreadable or self.skipped)

    @property
    def unreadable(self) -> int:
        """Number of recordings that are unreadable, or not readable to their end."""
        return sum(count for state, count in self.states.items() if state not in ("whole", "recovered"))


def summarise_card(files: Sequence[CardFile], now: datetime, skipped: Iterable[str] = ()) -> CardReport:
    """Summarise a card's files. A start after `now` is a clock error. `skipped` is what could not be read."""
    audio = [file for file in files if file.is_audio]
    duplicates = _duplicates(audio)
    others = [file.path for file in files if not file.is_audio]
    originals = [file for file in audio if file.name not in duplicates]
    return CardReport(
        audio_files=len(audio),
        other_files=len(others),
        seconds=sum(file.seconds for file in originals),
        missing_s=sum(file.missing_s for file in originals),
        states=dict(Counter(str(file.state) for file in audio)),
        duplicates=duplicates,
        recorders=tuple(_recorder(name, group, now) for name, group in sorted(_by_recorder(originals).items())),
        logs=_logs(others),
        configs=tuple(config for path in others if (config := _config(path))),
        skipped=tuple(skipped),
    )


def _duplicates(audio: Iterable[CardFile]) -> dict[str, str]:
    first: dict[str, str] = {}
    copies = {}
    for file in audio:
        if file.id and (same := first.setdefault(file.id, file.name)) != file.name:
            copies[file.name] = same
    return copies


def _by_recorder(audio: Iterable[CardFile]) -> dict[str, list[CardFile]]:
    """Group files by recorder. A file without one belongs to the recorder of its folder, if there is only one.

    Otherwise the folder stands for the recorder: folders of several sites have recordings at the same times.
    """
    audio = list(audio)
    in_folder: dict[Path, set[str]] = {}
    for file in audio:
        in_folder.setdefault(Path(file.name).parent, set()).update({file.recorder} - {""})
    groups: dict[str, list[CardFile]] = {}
    for file in audio:
        others = in_folder[Path(file.name).parent]
        owner = file.recorder or (next(iter(others)) if len(others) == 1 else _site_folder(Path(file.name).parent))
        groups.setdefault(owner, []).append(file)
    return groups


def _site_folder(folder: Path) -> str:
    """Return the name of a folder, without the folders that recorders make for each day."""
    while _DAY_FOLDER.fullmatch(folder.name):
        folder = folder.parent
    return "" if folder == Path() else str(folder)


def _recorder(name: str, files: Sequence[CardFile], now: datetime) -> RecorderReport:
    opened = [file for file in files if file.id]
    slots, readable = _slots(files), _slots(opened)
    every_s = interval_s(slots)
    volts, degrees = RangeTracker(), RangeTracker()
    for file in files:
        volts.add(file.metadata.battery_v)
        degrees.add(file.metadata.temperature_c)
    return RecorderReport(
        name=name,
        models=tuple(sorted({model for file in files if (model := file.metadata.model)})),
        serials=tuple(sorted({serial for file in files if (serial := file.metadata.serial)})),
        recordings=len(opened),
        seconds=sum(file.seconds for file in files),
        first_utc=readable[0].start_utc if readable else None,
        last_utc=max(slot.start_utc + timedelta(seconds=slot.seconds) for slot in readable) if readable else None,
        clock_sources=tuple(sorted({file.clock_source for file in opened})),
        interval_s=every_s,
        gaps=tuple(gaps(slots, every_s)) if every_s else (),
        overlaps=tuple(overlaps(readable)),
        clock_faults=tuple(_clock_faults(files, now)),
        battery_v=volts.range,
        temperature_c=degrees.range,
    )


def _slots(files: Iterable[CardFile]) -> list[Slot]:
    """Return the files with a known time, in order of time."""
    slots = [Slot(file.name, file.start_utc, file.seconds) for file in files if file.start_utc and _has_time(file)]
    return sorted(slots, key=lambda slot: slot.start_utc)


def _has_time(file: CardFile) -> bool:
    """Tell whether the time comes from a clock that was set. A file's modification time is no schedule."""
    return bool(file.start_utc and file.clock_source != ClockSource.FILE and not _is_unset(file.start_utc))


def _is_unset(start: datetime) -> bool:
    return start.replace(tzinfo=None) < UNSET_BEFORE


def _clock_faults(files: Sequence[CardFile], now: datetime) -> list[str]:
    """Return where a clock was never set, is in the future, or goes back from one file to the next in a folder."""
    timed = [file for file in files if file.start_utc and file.clock_source != ClockSource.FILE]
    faults = []
    for file in timed:
        if file.start_utc and _is_unset(file.start_utc):
            faults.append(f"{file.name}: the clock was never set; the time is {file.start_utc:%Y-%m-%d %H:%M:%S}")
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
    """Read the status logs. Those of the memory slots A to D of a recorder are joined."""
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
    with suppress(OSError), path.open("rb") as file:  # an unreadable log does not stop the report
        while line := file.readline(MAX_LINE_BYTES):
            yield line
