"""The data model: every data set is read into a Corpus of recordings with labels."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

MIN_GROUPS = 2
"""A species becomes a label if it has recordings of this many groups: one to learn from and one to test on."""

TEST = "test"
"""The published test part. It is not used for training or selection; the final model is evaluated on it once."""

Quality = Literal["L", "M", "H", ""]
"""How clear a call is, low to high, as in AnuraSet (Cañas et al. 2023); empty if unknown."""


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """A species calls at some time in a recording."""

    code: str
    calling_index: int | None = None
    """Amphibian Calling Index: 1 single calls, 2 some overlap, 3 a full chorus; None if unknown. Index 0 means no call,
    so it is not a label."""


@dataclass(frozen=True, slots=True)
class StrongLabel:
    """A species calls between an onset and an offset: one call, or a bout of calls."""

    code: str
    onset_s: float
    offset_s: float
    """Seconds from the start of the recording; the offset is after the onset."""
    low_hz: float | None = None
    high_hz: float | None = None
    """The frequency band of the call, if the box has one."""
    quality: Quality = ""

    def __post_init__(self) -> None:
        """Raise ValueError with the reason if the box is not valid."""
        if not math.isfinite(self.onset_s) or self.onset_s < 0:
            raise ValueError(f"onset {self.onset_s:g} s is not in the recording; correct it")
        if not math.isfinite(self.offset_s) or self.offset_s <= self.onset_s:
            raise ValueError(f"onset {self.onset_s:g} s is not before offset {self.offset_s:g} s; correct it")
        if self.low_hz is not None and self.high_hz is not None and not 0 <= self.low_hz < self.high_hz:
            raise ValueError(f"low {self.low_hz:g} Hz is not below high {self.high_hz:g} Hz; correct it")


def sort_by_onset(labels: Iterable[StrongLabel]) -> tuple[StrongLabel, ...]:
    """Return the boxes of a recording in order of onset."""
    return tuple(sorted(labels, key=lambda label: (label.onset_s, label.offset_s, label.code)))


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio file with its labels and metadata."""

    path: Path
    name: str
    """Unique in a corpus, as in `frogs/audio/ACRCRE_g019.flac`."""
    group: str
    """Recordings of one group have the same source or session, or are windows of the same minute. No split separates
    them."""
    weak: tuple[WeakLabel, ...] = ()
    strong: tuple[StrongLabel, ...] = ()
    """Boxes in order of onset. Empty if the recording has no boxes."""
    kind: str = ""
    """Content of a recording without a frog, as in `rain`."""
    site: str = ""
    night: date | None = None
    """Local date of the night's first noon: a night is from noon to noon."""
    start: datetime | None = None
    """Time of the first sample, with its UTC offset."""
    licence: str = ""
    attribution: str = ""
    split: str = ""
    """The published part that it belongs to, as in `train`, `test` or the number of a fold; empty if there is none."""
    held_out: bool = False
    """It is not used for training, because its licence does not allow the distribution of trained models."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the species that call in it, sorted. Empty means that none calls, not that it is unlabelled."""
        return tuple(sorted({label.code for label in self.weak} | {label.code for label in self.strong}))


@dataclass(frozen=True, slots=True)
class Taxon:
    """A species, or a group of species that sound alike."""

    code: str
    scientific_name: str = ""
    common_name: str = ""
    frequency: str = ""
    """How frequent it is in a data set, if its authors state it: `frequent`, `common` or `rare`."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """All recordings for training and testing."""

    recordings: tuple[Recording, ...]
    species: tuple[Taxon, ...]
    """Every code that a label may have, in the order of the data set's own table."""

    @property
    def frogs(self) -> tuple[Recording, ...]:
        """Recordings with a label, for training and out-of-fold tests."""
        return tuple(each for each in self.recordings if each.codes and _is_for_training(each))

    @property
    def backgrounds(self) -> tuple[Recording, ...]:
        """Recordings without a label, for training and out-of-fold tests."""
        return tuple(each for each in self.recordings if not each.codes and _is_for_training(each))

    @property
    def test(self) -> tuple[Recording, ...]:
        """Recordings of the published test part, with and without a label."""
        return tuple(each for each in self.recordings if each.split == TEST and not each.held_out)

    @property
    def held_out(self) -> tuple[Recording, ...]:
        """Recordings without a label that must not be used for training because of their licence."""
        return tuple(each for each in self.recordings if not each.codes and each.held_out)

    def labels(self) -> tuple[str, ...]:
        """Return the sorted codes with MIN_GROUPS groups, one of them for training. Scores have this order."""
        groups: dict[str, set[str]] = defaultdict(set)
        trained = {code for recording in self.frogs for code in recording.codes}
        for recording in self.frogs + self.test:
            for code in recording.codes:
                groups[code].add(recording.group)
        return tuple(sorted(code for code in trained if len(groups[code]) >= MIN_GROUPS))

    def taxon(self, code: str) -> Taxon:
        """Return the names of a code; empty names if the species table does not have it."""
        return next((taxon for taxon in self.species if taxon.code == code), Taxon(code))

    def filter_recordings(self, wanted: Callable[[Recording], bool]) -> "Corpus":
        """Return a corpus with the wanted recordings and the same species table."""
        return replace(self, recordings=tuple(filter(wanted, self.recordings)))


def _is_for_training(recording: Recording) -> bool:
    return not recording.held_out and recording.split != TEST
