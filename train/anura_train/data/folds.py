"""Folds that share nothing: what a model is tested on has no source, night or site in common with what it learnt from.

| folds | whole are | for |
|---|---|---|
| `assign_folds`, `corpus_folds` | groups | recordings of the same places on other occasions |
| `night_folds` | groups and nights of a site | other nights: one chorus may fill a night's recordings |
| `site_folds` | groups and sites | places that the model never heard |
| `published_folds` | what the data set's authors kept whole | figures that can be compared with theirs |
"""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from anura_edge.errors import ConfigError
from anura_train.data.corpus import Corpus, Recording

Folds = Mapping[str, int]
"""Recording name -> the fold that it is tested in."""


def published_fold_count(corpus: Corpus) -> int | None:
    """Return how many folds a data set comes with; None where it has none."""
    parts = {clip.split for clip in corpus.frogs + corpus.backgrounds}
    return len(parts) if len(parts) > 1 and all(part.isdigit() for part in parts) else None


def cross_validation_folds(corpus: Corpus, folds: int, seed: int) -> Folds:
    """Return each recording's fold: the published folds if there are as many as `folds`, else folds by group."""
    if published_fold_count(corpus) == folds:
        return published_folds(corpus.frogs + corpus.backgrounds)
    return corpus_folds(corpus, folds, seed)


def assign_folds(recordings: Sequence[Recording], folds: int, seed: int) -> Folds:
    """Deal recordings into folds, whole groups at a time, species (or kinds of background) as even as that allows."""
    groups = [recording.group for recording in recordings]
    if len(set(groups)) < folds:
        raise ConfigError(f"{len(set(groups))} groups cannot fill {folds} folds; ask for fewer folds")
    strata = [" ".join(recording.codes) or recording.kind for recording in recordings]
    if any(len(recording.codes) > 1 for recording in recordings) or max(Counter(strata).values()) < folds:
        return _deal(recordings, _joined([(group,) for group in groups]), folds, seed)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A species of two groups cannot appear in five folds; that is known and shown in every table.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = splitter.split(np.zeros(len(recordings)), strata, groups)
        assigned = {recordings[index].name: fold for fold, (_, tested) in enumerate(splits) for index in tested}
    check_disjoint(recordings, assigned)
    return assigned


def corpus_folds(corpus: Corpus, folds: int, seed: int) -> Folds:
    """Deal all that is learnt from, frogs and backgrounds each evenly, or together where they share groups.

    Windows of one minute do: with a frog in one, and none in the next. ConfigError when a group is held out as well.
    """
    frogs, backgrounds = corpus.frogs, corpus.backgrounds
    apart = {each.group for each in frogs}.isdisjoint(each.group for each in backgrounds)
    assigned: dict[str, int] = {}
    for dealt in filter(None, (frogs, backgrounds) if apart else (frogs + backgrounds,)):
        assigned |= assign_folds(dealt, folds, seed)
    parts = {**assigned, **{each.name: "held out" for each in corpus.held_out}}
    check_disjoint(frogs + backgrounds + corpus.held_out, parts)
    return assigned


def night_folds(recordings: Sequence[Recording], folds: int, seed: int) -> Folds:
    """Deal recordings into folds, whole nights of a site at a time; a group that spans nights keeps them together."""
    _need(recordings, "night")
    blocks = _joined([(("group", each.group), ("night", each.site, each.night)) for each in recordings])
    if (nights := len(set(blocks.tolist()))) < folds:
        raise ConfigError(f"{nights} nights cannot fill {folds} folds; ask for fewer folds")
    return _deal(recordings, blocks, folds, seed)


def site_folds(recordings: Sequence[Recording]) -> Folds:
    """Give each site a fold of its own, in order of their names; ConfigError when a group lies in two sites."""
    _need(recordings, "site")
    sites = sorted({recording.site for recording in recordings})
    if len(sites) < 2:
        raise ConfigError(f"leaving a site out takes two of them; the data has {', '.join(sites) or 'none'}")
    assigned = {recording.name: sites.index(recording.site) for recording in recordings}
    check_disjoint(recordings, assigned)
    return assigned


def published_folds(recordings: Sequence[Recording]) -> Folds:
    """Return the folds that the data set's authors made, from 0; ConfigError when there are none, or they leak."""
    _need(recordings, "split")
    splits = sorted({recording.split for recording in recordings}, key=lambda split: (len(split), split))
    if not all(split.isdigit() for split in splits):
        raise ConfigError(f"the data is split into {', '.join(splits)}, which are no folds; choose other folds")
    assigned = {recording.name: splits.index(recording.split) for recording in recordings}
    check_disjoint(recordings, assigned)
    return assigned


def check_disjoint(recordings: Iterable[Recording], assigned: Mapping[str, Hashable]) -> None:
    """Raise ConfigError when a group or a file lies in two parts, for then a model is tested on what it learnt."""
    for leak in find_leaks(recordings, assigned):
        raise ConfigError(leak)


def find_leaks(recordings: Iterable[Recording], assigned: Mapping[str, Hashable]) -> Iterator[str]:
    """Say of each group and file that lies in two parts which, where and by what recording."""
    part_of: dict[Hashable, Hashable] = {}
    for recording in recordings:
        part = assigned[recording.name]
        for kind, whole in (("group", recording.group), ("file", str(recording.path))):
            first = part_of.setdefault((kind, whole), part)
            if first != part:
                yield f"{kind} {whole!r} is split between {first} and {part} by {recording.name}; keep a {kind} whole"


def split_share(recordings: Sequence[Recording], share: float, seed: int) -> frozenset[str]:
    """Choose about a share of the groups, each species as near to that share as can be; return the recordings' names.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011), as AnuraSet was split (Cañas et al. 2023).
    """
    blocks = _joined([(each.group,) for each in recordings])
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    truth = _truth(recordings, blocks)
    _, chosen = next(splitter.split(truth, truth))
    assigned = {each.name: block in chosen for each, block in zip(recordings, blocks, strict=True)}
    check_disjoint(recordings, assigned)
    return frozenset(name for name, is_chosen in assigned.items() if is_chosen)


def _deal(recordings: Sequence[Recording], blocks: NDArray[np.intp], folds: int, seed: int) -> Folds:
    """Deal whole blocks into folds by iterative stratification, for recordings with several species each."""
    truth = _truth(recordings, blocks)
    splitter = MultilabelStratifiedKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.zeros(len(truth), np.intp)
    for fold, (_, tested) in enumerate(splitter.split(truth, truth)):
        fold_of[tested] = fold
    assigned = {each.name: int(fold_of[block]) for each, block in zip(recordings, blocks, strict=True)}
    check_disjoint(recordings, assigned)
    return assigned


def _joined(keys: Sequence[Sequence[Hashable]]) -> NDArray[np.intp]:
    """Return each recording's block, from 0: recordings that share a key, or are linked by others that do, share it."""
    numbers: dict[Hashable, int] = {}
    edges = [(row, numbers.setdefault(key, len(keys) + len(numbers))) for row, own in enumerate(keys) for key in own]
    size = len(keys) + len(numbers)
    graph = coo_array((np.ones(len(edges)), tuple(zip(*edges, strict=True))), (size, size))
    _, component = connected_components(graph, directed=False)
    return np.asarray(np.unique(component[: len(keys)], return_inverse=True)[1])


def _truth(recordings: Sequence[Recording], blocks: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which species, or kinds of background, are in each block, (blocks, kinds)."""
    kinds = sorted({kind for recording in recordings for kind in _kinds(recording)})
    truth = np.zeros((blocks.max() + 1, max(len(kinds), 2)), bool)  # one column alone would not be multi-label
    for recording, block in zip(recordings, blocks, strict=True):
        for kind in _kinds(recording):
            truth[block, kinds.index(kind)] = True
    return truth


def _kinds(recording: Recording) -> tuple[str, ...]:
    return recording.codes or (f"no frog: {recording.kind}",)


def _need(recordings: Sequence[Recording], field: str) -> None:
    """Raise ConfigError when recordings lack what folds are made by."""
    lacking = [recording.name for recording in recordings if not getattr(recording, field)]
    if lacking:
        raise ConfigError(
            f"{len(lacking)} of {len(recordings)} recordings have no {field}, such as {lacking[0]}; "
            "fill the column or choose other folds"
        )
