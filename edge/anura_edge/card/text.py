"""Format a card report as text and as JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from anura_edge.card.report import CardReport, RecorderReport
from anura_edge.card.survey import CardFile
from anura_edge.sources.files.open_file import NO_LENGTH
from anura_edge.sources.metadata.song_meter_log import ReadingRange, StatusLog

EXAMPLES = 5
"""Number of items of a long list that the text shows. The JSON contains all."""


def card_text(card: CardReport, files: Sequence[CardFile]) -> str:
    """Return the report as text: contents, damaged files, gaps."""
    missing = f", {_length(card.missing_s)} missing" if card.missing_s else ""
    total = (
        f"{card.audio_files} recordings, {_length(card.seconds)} to analyse{missing}; {card.other_files} other files"
    )
    lines = [total, *_states(card, files), *(f"  ! {line}" for line in _first_items(card.skipped))]
    if not card.audio_files:
        lines.append("  ! no recordings: is the card mounted, and is this its folder?")
    for recorder in card.recorders:
        lines += ["", *_recorder(recorder)]
    for owner, log in card.logs.items():
        lines += ["", *_log(owner, log)]
    for config in card.configs:
        about = [config.firmware, config.time_zone, config.rate_hz and f"{config.rate_hz} Hz", config.gain]
        lines += ["", f"CONFIG.TXT of {config.serial}: {', '.join(filter(None, about))}"]
    return "\n".join(lines)


def card_json(card: CardReport, files: Iterable[CardFile]) -> Iterator[str]:
    """Yield one JSON object for each recording, recorder, log and CONFIG.TXT, and one for the whole card."""
    for file in files:
        if file.is_audio:
            yield _json("file", {key: value for key, value in asdict(file).items() if key != "path"})
    for recorder in card.recorders:
        yield _json("recorder", asdict(recorder))
    for owner, log in card.logs.items():
        yield _json("log", {"recorder": owner, **asdict(log)})
    for config in card.configs:
        yield _json("config", asdict(config))
    totals = {key: value for key, value in asdict(card).items() if key not in ("recorders", "logs", "configs")}
    yield _json("card", {**totals, "unreadable": card.unreadable})


def _json(kind: str, value: dict[str, Any]) -> str:
    return json.dumps({kind: value}, default=lambda moment: moment.isoformat())


def _states(card: CardReport, files: Sequence[CardFile]) -> list[str]:
    lines = []
    for state, count in sorted(card.states.items()):
        names = [file.name for file in files if file.state == state] if state != "whole" else []
        lines.append(f"  {state:<13}{count:>6}  {_joined(names)}".rstrip())
    if card.duplicates:
        lines.append(f"  {'copies':<13}{len(card.duplicates):>6}  {_joined([*card.duplicates])}")
    for what, names in (
        ("silent", [f"{file.name} {_channels(file.silent)}" for file in files if file.silent]),
        ("clipped", [f"{file.name} {_channels(file.clipped)}" for file in files if file.clipped]),
    ):
        if names:
            lines.append(f"  {what:<13}{len(names):>6}  {_joined(names)}")
    odd = [f"{file.name}: {warning}" for file in files for warning in file.warnings if warning != NO_LENGTH]
    return lines + [f"  ! {line}" for line in _first_items(odd)]


def _recorder(recorder: RecorderReport) -> list[str]:
    about = ", ".join(recorder.models + recorder.serials)
    lines = [f"{recorder.name or 'no name'}{f' ({about})' if about else ''}: {recorder.recordings} recordings"]
    if recorder.first_utc and recorder.last_utc:
        every = f", every {_length(recorder.interval_s)}" if recorder.interval_s else ""
        clocks = ", ".join(recorder.clock_sources)
        lines.append(f"  {_moment(recorder.first_utc)} to {_moment(recorder.last_utc)}{every}; clock: {clocks}")
    if "unknown" in recorder.clock_sources:
        lines.append("  ! local times are read as UTC; set audio.utc_offset to the offset of the recorder's clock")
    lines += [
        f"  ! gap: {gap.recordings} recordings missing from {_moment(gap.from_utc)} to {_moment(gap.until_utc)}"
        for gap in recorder.gaps[:EXAMPLES]
    ]
    lines += _remaining(recorder.gaps)
    if recorder.overlaps:
        longest = max(overlap.seconds for overlap in recorder.overlaps)
        lines.append(
            f"  ! {len(recorder.overlaps)} recordings overlap the next one, by up to {longest:.0f} s: "
            f"{_joined([overlap.name for overlap in recorder.overlaps])} (no copies, but a clock error: WA003)"
        )
    lines += [f"  ! {fault}" for fault in _first_items(recorder.clock_faults)]
    return lines + _curves(recorder.battery_v, recorder.temperature_c)


def _log(owner: str, log: StatusLog) -> list[str]:
    lines = [
        f"{owner} Summary: {log.rows} rows, {log.first:%Y-%m-%d %H:%M} to {log.last:%Y-%m-%d %H:%M} local time, "
        f"power-ons: {log.power_ons}"
    ]
    if log.position:
        lines.append(f"  at {log.position.latitude:.5f}, {log.position.longitude:.5f}")
    return lines + _curves(log.battery_v, log.temperature_c)


def _curves(volts: ReadingRange | None, degrees: ReadingRange | None) -> list[str]:
    return [
        f"  {what} {curve.first:g} to {curve.last:g} {unit}, lowest {curve.lowest:g}, highest {curve.highest:g}"
        for what, curve, unit in (("battery", volts, "V"), ("temperature", degrees, "°C"))
        if curve
    ]


def _channels(channels: tuple[int, ...]) -> str:
    return f"(channel {' and '.join(map(str, channels))})"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(_first_items(names))


def _first_items(items: Sequence[str]) -> list[str]:
    return [*items[:EXAMPLES], *(line.strip() for line in _remaining(items))]


def _remaining(items: Sequence[object]) -> list[str]:
    return [f"    and {len(items) - EXAMPLES} more"] if len(items) > EXAMPLES else []


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _length(seconds: float) -> str:
    if seconds >= 7_200:
        return f"{seconds / 3_600:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.1f} s"
