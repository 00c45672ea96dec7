"""The one form that every data set is brought into, and that all of training and evaluation knows."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

MIN_GROUPS = 2
"""A species becomes a label when it has recordings of so many groups: one to learn from and one to be tested on."""

TEST = "test"
"""The authors' part that no model learns from and nothing is chosen on: the final model is judged on it, once."""

Quality = Literal["L", "M", "H", ""]
"""How clear a call is to eye and ear, low to high, as AnuraSet has it (Cañas et al. 2023); empty where nobody said."""


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """A species is somewhere in a recording."""

    code: str
    calling_index: int | None = None
    """Amphibian Calling Index: 1 single calls, 2 some overlap, 3 a full chorus; None where nobody said.
    Index 0, not calling, is no label."""


@dataclass(frozen=True, slots=True)
class StrongLabel:
    """A species calls from here to there: one call, or a bout of them."""

    code: str
    onset_s: float
    offset_s: float
    """Seconds from the recording's beginning; the offset lies behind the onset."""
    low_hz: float | None = None
    high_hz: float | None = None
    """The band of the call, where it was boxed in frequency as well."""
    quality: Quality = ""

    def __post_init__(self) -> None:
        """Raise ValueError, with the reason, for a box that is none."""
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
    """One sound file and what is known of it."""

    path: Path
    name: str
    """Unique in a corpus, as in `frogs/audio/ACRCRE_g019.flac`."""
    group: str
    """Recordings of one group share a source, a session or a minute: a split never parts them."""
    weak: tuple[WeakLabel, ...] = ()
    strong: tuple[StrongLabel, ...] = ()
    """In order of onset. Empty where nobody boxed the calls."""
    kind: str = ""
    """What a recording without a frog is of, as in `rain`."""
    site: str = ""
    night: date | None = None
    """Local date of its evening: a night goes from noon to noon."""
    start: datetime | None = None
    """Time of its first sample, with an offset from UTC."""
    licence: str = ""
    attribution: str = ""
    split: str = ""
    """The part that its authors put it in, as in `train`, `test` or the number of a fold; empty where they did not."""
    held_out: bool = False
    """No model may learn from it: its licence does not allow passing on what was learnt."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The species in it, sorted; none means that none is there, not that nobody listened."""
        return tuple(sorted({label.code for label in self.weak} | {label.code for label in self.strong}))


@dataclass(frozen=True, slots=True)
class Taxon:
    """A species, or a group that cannot be told apart by ear."""

    code: str
    scientific_name: str = ""
    common_name: str = ""
    frequency: str = ""
    """How often a data set has it, where its authors say so: `frequent`, `common` or `rare`."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that is learnt from and tested on."""

    recordings: tuple[Recording, ...]
    species: tuple[Taxon, ...]
    """Every code that a label may have, in the order of the data set's own table."""

    @property
    def frogs(self) -> tuple[Recording, ...]:
        """Recordings with a label: learnt from, and tested on out of fold."""
        return tuple(each for each in self.recordings if each.codes and _learnt(each))

    @property
    def backgrounds(self) -> tuple[Recording, ...]:
        """Recordings without a label: learnt from, and tested on out of fold."""
        return tuple(each for each in self.recordings if not each.codes and _learnt(each))

    @property
    def test(self) -> tuple[Recording, ...]:
        """What the authors set aside to test on, with a label or without."""
        return tuple(each for each in self.recordings if each.split == TEST and not each.held_out)

    @property
    def held_out(self) -> tuple[Recording, ...]:
        """Recordings without a label that no model may learn from."""
        return tuple(each for each in self.recordings if not each.codes and each.held_out)

    def labels(self) -> tuple[str, ...]:
        """Return the codes of MIN_GROUPS groups or more, one of them learnt from, sorted: the order of every score."""
        groups: dict[str, set[str]] = defaultdict(set)
        learnt = {code for recording in self.frogs for code in recording.codes}
        for recording in self.frogs + self.test:
            for code in recording.codes:
                groups[code].add(recording.group)
        return tuple(sorted(code for code in learnt if len(groups[code]) >= MIN_GROUPS))

    def taxon(self, code: str) -> Taxon:
        """Return a code's names; a code that the table lacks has none."""
        return next((taxon for taxon in self.species if taxon.code == code), Taxon(code))

    def filter_recordings(self, wanted: Callable[[Recording], bool]) -> "Corpus":
        """Return the corpus of some of its recordings, its species table whole."""
        return replace(self, recordings=tuple(filter(wanted, self.recordings)))


def _learnt(recording: Recording) -> bool:
    return not recording.held_out and recording.split != TEST
