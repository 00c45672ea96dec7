"""Group-disjoint folds: what a model is tested on shares no source, night or session with what it learnt from."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from anura_edge.errors import ConfigError
from anura_train.data import Clip

Folds = Mapping[str, int]
"""Clip name -> the fold that it is tested in."""


def assign_folds(clips: Sequence[Clip], folds: int, seed: int) -> Folds:
    """Deal clips into folds, whole groups at a time, species (or kinds of background) as even as that allows."""
    groups = [clip.group for clip in clips]
    if len(set(groups)) < folds:
        raise ConfigError(f"{len(set(groups))} groups cannot fill {folds} folds; lower `folds` in the recipe")
    strata = [clip.code or clip.kind for clip in clips]
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A species of two groups cannot appear in five folds; that is known and shown in every table.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = splitter.split(np.zeros(len(clips)), strata, groups)
        assigned = {clips[index].name: fold for fold, (_, tested) in enumerate(splits) for index in tested}
    check_disjoint(clips, assigned)
    return assigned


def check_disjoint(clips: Sequence[Clip], assigned: Folds) -> None:
    """Raise ConfigError when a group lies in two folds, for then a model is tested on what it learnt."""
    fold_of: dict[str, int] = {}
    for clip in clips:
        fold = assigned[clip.name]
        if fold_of.setdefault(clip.group, fold) != fold:
            raise ConfigError(
                f"group {clip.group!r} is split between folds {fold_of[clip.group]} and {fold} by {clip.name}; "
                "keep a group whole"
            )
