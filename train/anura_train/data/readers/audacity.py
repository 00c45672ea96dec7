r"""Audacity label tracks, as AnuraSet writes them: `onset <tab> offset <tab> CODE_Q`, Q the quality L, M or H.

A line `\ <tab> low <tab> high` gives the band of the label above it. Further columns, as BirdNET writes, are not read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from anura_train.data.corpus import StrongLabel
from anura_train.data.readers.csv_rows import CODE

ReportFinding = Callable[[str, str], None]
"""Called with the place of a line that cannot be used, and why: a fault here, an oddity there."""

LABEL = re.compile(rf"(?P<code>{CODE}?)(?:_(?P<quality>[LMH]))?")


def read_audacity(track: Path, note: ReportFinding) -> Iterator[tuple[str, StrongLabel]]:
    """Yield each label with its place, `FILE, line N`; an empty file has none, for nothing called."""
    try:
        lines = track.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        note(str(track), f"cannot be read: {error}; copy it again")
        return
    held: tuple[str, StrongLabel] | None = None
    for number, line in enumerate(lines, start=1):
        where = f"{track}, line {number}"
        try:
            if line.startswith("\\") and held:
                held = held[0], _with_band(held[1], line)
            elif line.strip():
                if held:
                    yield held
                held = None
                held = where, _label(line)
        except ValueError as error:
            note(where, f"{error} (found {line!r})")
    if held:
        yield held


def write_audacity(track: Path, labels: Iterable[StrongLabel]) -> None:
    """Write a label track that Audacity opens and `read_audacity` reads."""
    with track.open("w", encoding="utf-8") as file:
        for label in labels:
            quality = f"_{label.quality}" if label.quality else ""
            file.write(f"{label.onset_s:.6f}\t{label.offset_s:.6f}\t{label.code}{quality}\n")
            if label.low_hz is not None and label.high_hz is not None:
                file.write(f"\\\t{label.low_hz:.6f}\t{label.high_hz:.6f}\n")


def _label(line: str) -> StrongLabel:
    cells = line.split("\t")
    if len(cells) < 3:
        raise ValueError("not onset, offset and label with tabs between; correct it")
    try:
        onset_s, offset_s = float(cells[0]), float(cells[1])
    except ValueError:
        raise ValueError("onset or offset is no number; correct it") from None
    found = LABEL.fullmatch(cells[2].strip())
    if not found:
        raise ValueError("the label is not CODE or CODE_Q with Q one of L, M, H; correct it")
    return StrongLabel(found["code"], onset_s, offset_s, quality=found["quality"] or "")  # type: ignore[arg-type]


def _with_band(label: StrongLabel, line: str) -> StrongLabel:
    try:
        low_hz, high_hz = map(float, line.split("\t")[1:3])
    except ValueError:
        raise ValueError("not `\\`, low and high with tabs between; correct it") from None
    # Audacity writes -1 where the band has no limit.
    return replace(label, low_hz=low_hz if low_hz >= 0 else None, high_hz=high_hz if high_hz >= 0 else None)
