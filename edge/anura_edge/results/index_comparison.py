"""Compares the calling indices that people gave to recordings with the proxy that is made from bouts."""

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import RowValues
from anura_edge.results.tables.nightly import MINUTE_S, calling_index

MAX_INDEX = 3

LONG_COLUMNS = ("recording", "species", "index")
WIDE_COLUMNS = ("MONITORING_SITE", "AUDIO_FILE_ID")
"""The columns of AnuraSet's `weak_labels.csv` that are not species."""

ALL_SPECIES = "all species"

Indices = Mapping[tuple[str, str], int]
"""The index of each recording, by its name without folder and suffix, and species, by code or scientific name."""


@dataclass(frozen=True, slots=True)
class IndexAgreement:
    """How well the proxy of one species agrees with people."""

    species: str
    recordings: int
    """Recordings that have an index and were analysed."""
    counts: tuple[tuple[int, ...], ...]
    """Recordings with each index of people (rows, 0 to 3) and each proxy (columns, 0 to 3)."""

    @property
    def equal(self) -> float:
        """Share of recordings with equal indices."""
        return self._share(0)

    @property
    def within_one(self) -> float:
        """Share of recordings whose indices differ by at most 1."""
        return self._share(1)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa with quadratic weights (Cohen 1968, doi:10.1037/h0026256). None if no index differs."""
        rows = [sum(row) for row in self.counts]
        columns = [sum(column) for column in zip(*self.counts, strict=True)]
        weights = [[(i - j) ** 2 for j in range(MAX_INDEX + 1)] for i in range(MAX_INDEX + 1)]
        cells = [(i, j) for i in range(MAX_INDEX + 1) for j in range(MAX_INDEX + 1)]
        expected = sum(weights[i][j] * rows[i] * columns[j] for i, j in cells) / max(self.recordings, 1)
        return 1 - sum(weights[i][j] * self.counts[i][j] for i, j in cells) / expected if expected else None

    def _share(self, limit: int) -> float:
        close = sum(n for i, row in enumerate(self.counts) for j, n in enumerate(row) if abs(i - j) <= limit)
        return close / max(self.recordings, 1)


def read_indices(file: Path) -> dict[tuple[str, str], int]:
    """Read the indices of people: a CSV table with the LONG_COLUMNS, or AnuraSet's `weak_labels.csv`.

    Raises ConfigError with the line of a wrong value.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read {file}: {reason}; name a CSV table of calling indices") from error
    lines = csv.DictReader(text.splitlines())
    names = lines.fieldnames or ()
    is_wide = set(WIDE_COLUMNS) <= set(names)
    if not is_wide and (missing := [name for name in LONG_COLUMNS if name not in names]):
        raise ConfigError(f"{file}: no column {missing[0]!r}; the columns are {', '.join(LONG_COLUMNS)}")
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        where = f"{file}, line {lines.line_num}"
        recording = _stem(line["AUDIO_FILE_ID" if is_wide else "recording"] or "")
        cells = {name: line[name] for name in names if name not in WIDE_COLUMNS}
        for species, index in cells.items() if is_wide else [(line["species"], line["index"])]:
            found[recording, (species or "").strip()] = _index(index or "", where)
    return found


def compare_indices(
    indices: Indices, calls: Iterable[RowValues], analysed: Collection[str], labels: Mapping[str, str]
) -> list[IndexAgreement]:
    """Return the agreement for each species of the model, and for all of them together.

    `calls` are the bouts, `analysed` the names of the recordings of which audio was analysed, and `labels` the
    scientific name of each label of the model. Indices of other species and recordings are left out. The proxy of a
    recording is that of its minute with most calls.
    """
    seconds: defaultdict[tuple[str, str], defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for call in calls:
        of_minute = seconds[_stem(call["recording_name"]), call["label"]]
        for minute, part_s in _seconds_by_minute(call):
            of_minute[minute] += part_s
    known = {name: label for label, scientific in labels.items() for name in (label, scientific)}
    stems = {_stem(name) for name in analysed}
    counts: defaultdict[str, list[list[int]]] = defaultdict(
        lambda: [[0] * (MAX_INDEX + 1) for _ in range(MAX_INDEX + 1)]
    )
    for (recording, species), index in indices.items():
        if recording in stems and (label := known.get(species)):
            proxy = max(map(calling_index, seconds[recording, label].values()), default=0)
            for name in (labels[label], ALL_SPECIES):
                counts[name][index][proxy] += 1
    order = sorted(counts, key=lambda name: (name == ALL_SPECIES, name))
    return [
        IndexAgreement(name, sum(map(sum, counts[name])), tuple(tuple(row) for row in counts[name])) for name in order
    ]


def _seconds_by_minute(call: RowValues) -> Iterator[tuple[int, float]]:
    """Yield each minute of the recording that a bout touches, and its seconds in it. No clock is needed for that."""
    onset_s, offset_s = call["onset_sample"] / call["rate_hz"], call["offset_sample"] / call["rate_hz"]
    for minute in range(int(onset_s // MINUTE_S), int(offset_s // MINUTE_S) + 1):
        yield minute, max(0.0, min(offset_s, (minute + 1) * MINUTE_S) - max(onset_s, minute * MINUTE_S))


def _stem(name: str) -> str:
    return PurePath(name.strip()).stem.casefold()


def _index(text: str, where: str) -> int:
    try:
        index = float(text)
    except ValueError:
        index = -1
    if index not in range(MAX_INDEX + 1):
        raise ConfigError(f"{where}: {text!r} is not a calling index; write 0, 1, 2 or 3")
    return int(index)
