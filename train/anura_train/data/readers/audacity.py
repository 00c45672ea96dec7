r"""Audacity label tracks, as AnuraSet writes them: `onset <tab> offset <tab> CODE_Q`, Q the quality L, M or H.

A line `\ <tab> low <tab> high` gives the frequency band of the label above it. Further columns, which BirdNET writes,
are ignored.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from anura_train.data.corpus import StrongLabel
from anura_train.data.readers.csv_rows import CODE

ReportFinding = Callable[[str, str], None]
"""Called with the location of a line that cannot be read, and the reason. It adds an error or a warning."""

LABEL = re.compile(rf"(?P<code>{CODE}?)(?:_(?P<quality>[LMH]))?")


def read_audacity(track: Path, report: ReportFinding) -> Iterator[tuple[str, StrongLabel]]:
    """Yield each label with its location, `FILE, line N`. An empty file means that nothing calls."""
    try:
        lines = track.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        report(str(track), f"cannot be read: {error}; copy it again")
        return
    pending: tuple[str, StrongLabel] | None = None
    for number, line in enumerate(lines, start=1):
        where = f"{track}, line {number}"
        try:
            if line.startswith("\\") and pending:
                pending = pending[0], _with_band(pending[1], line)
            elif line.strip():
                if pending:
                    yield pending
                pending = None
                pending = where, _label(line)
        except ValueError as error:
            report(where, f"{error} (found {line!r})")
    if pending:
        yield pending


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
        raise ValueError("not `onset <tab> offset <tab> label`; correct it")
    try:
        onset_s, offset_s = float(cells[0]), float(cells[1])
    except ValueError:
        raise ValueError("onset or offset is not a number; correct it") from None
    match = LABEL.fullmatch(cells[2].strip())
    if not match:
        raise ValueError("the label is not CODE or CODE_Q with Q one of L, M, H; correct it")
    return StrongLabel(match["code"], onset_s, offset_s, quality=match["quality"] or "")  # type: ignore[arg-type]


def _with_band(label: StrongLabel, line: str) -> StrongLabel:
    try:
        low_hz, high_hz = map(float, line.split("\t")[1:3])
    except ValueError:
        raise ValueError("not `\\ <tab> low <tab> high`; correct it") from None
    # Audacity writes -1 for a band without a limit.
    return replace(label, low_hz=low_hz if low_hz >= 0 else None, high_hz=high_hz if high_hz >= 0 else None)
