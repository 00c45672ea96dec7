"""Folds for cross-validation. The test fold has no source, night or site in common with the training folds.

| folds | kept whole | measures performance on |
|---|---|---|
| `assign_folds`, `corpus_folds` | groups | other recordings of the same sites |
| `night_folds` | groups and nights of a site | other nights: one chorus can fill all recordings of a night |
| `site_folds` | groups and sites | sites that are not in the training data |
| `published_folds` | the units of the data set's authors | the same folds as in publications |
"""

import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from anura_edge.errors import ConfigError
from anura_train.data.corpus import Corpus, Recording

Folds = Mapping[str, int]
"""Recording name -> the fold in which it is tested."""


def published_fold_count(corpus: Corpus) -> int | None:
    """Return the number of published folds of a data set; None if it has none."""
    parts = {recording.split for recording in corpus.frogs + corpus.backgrounds}
    return len(parts) if len(parts) > 1 and all(part.isdigit() for part in parts) else None


def cross_validation_folds(corpus: Corpus, folds: int, seed: int) -> Folds:
    """Return each recording's fold: the published folds if there are as many as `folds`, else folds by group."""
    if published_fold_count(corpus) == folds:
        return published_folds(corpus.frogs + corpus.backgrounds)
    return corpus_folds(corpus, folds, seed)


def training_part(corpus: Corpus, folds: Folds, tested: int) -> Corpus:
    """Return the recordings of all folds but the tested one; recordings without a fold are left out."""
    return corpus.filter_recordings(lambda each: folds.get(each.name, tested) != tested)


def assign_folds(recordings: Sequence[Recording], folds: int, seed: int) -> Folds:
    """Assign recordings to folds by whole groups, with species (or kinds of background) as even as possible."""
    groups = [recording.group for recording in recordings]
    if len(set(groups)) < folds:
        what = "with a species" if any(recording.codes for recording in recordings) else "without a species"
        raise ConfigError(
            f"the recordings {what} have {len(set(groups))} groups, which cannot fill {folds} folds; add recordings of "
            "other groups, or ask for fewer folds (`folds` of the recipe)"
        )
    strata = [" ".join(recording.codes) or recording.kind for recording in recordings]
    if any(len(recording.codes) > 1 for recording in recordings) or max(Counter(strata).values()) < folds:
        return _stratify(recordings, _blocks([(group,) for group in groups]), folds, seed)
    from sklearn.model_selection import StratifiedGroupKFold  # it loads for seconds

    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A species with two groups cannot appear in five folds; every table shows the number of groups.
        warnings.filterwarnings("ignore", message="The least populated class")
        splits = splitter.split(np.zeros(len(recordings)), strata, groups)
        assigned = {recordings[index].name: fold for fold, (_, tested) in enumerate(splits) for index in tested}
    check_disjoint(recordings, assigned)
    return assigned


def corpus_folds(corpus: Corpus, folds: int, seed: int) -> Folds:
    """Assign frogs and backgrounds to folds, separately, or together if they share groups.

    They share groups if recordings are windows of one minute, some with a frog and some without. ConfigError when a
    group is in the held-out recordings as well.
    """
    frogs, backgrounds = corpus.frogs, corpus.backgrounds
    are_separate = {each.group for each in frogs}.isdisjoint(each.group for each in backgrounds)
    assigned: dict[str, int] = {}
    for part in filter(None, (frogs, backgrounds) if are_separate else (frogs + backgrounds,)):
        assigned |= assign_folds(part, folds, seed)
    parts = {**assigned, **{each.name: "held out" for each in corpus.held_out}}
    check_disjoint(frogs + backgrounds + corpus.held_out, parts)
    return assigned


def night_folds(recordings: Sequence[Recording], folds: int, seed: int) -> Folds:
    """Assign recordings to folds by whole nights of a site; nights that share a group stay together."""
    _require(recordings, "night")
    blocks = _blocks([(("group", each.group), ("night", each.site, each.night)) for each in recordings])
    if (nights := len(set(blocks.tolist()))) < folds:
        raise ConfigError(f"{nights} nights cannot fill {folds} folds; ask for fewer folds")
    return _stratify(recordings, blocks, folds, seed)


def site_folds(recordings: Sequence[Recording]) -> Folds:
    """Assign each site to a fold, in order of their names; ConfigError when a group has recordings of two sites."""
    _require(recordings, "site")
    sites = sorted({recording.site for recording in recordings})
    if len(sites) < 2:
        raise ConfigError(f"leave-one-site-out needs two sites; the data has {', '.join(sites) or 'none'}")
    assigned = {recording.name: sites.index(recording.site) for recording in recordings}
    check_disjoint(recordings, assigned)
    return assigned


def published_folds(recordings: Sequence[Recording]) -> Folds:
    """Return the published folds, numbered from 0; ConfigError when there are none, or a group is in two of them."""
    _require(recordings, "split")
    splits = sorted({recording.split for recording in recordings}, key=lambda split: (len(split), split))
    if not all(split.isdigit() for split in splits):
        raise ConfigError(
            f"the data is split into {', '.join(splits)}, which are not numbered folds; choose other folds"
        )
    assigned = {recording.name: splits.index(recording.split) for recording in recordings}
    check_disjoint(recordings, assigned)
    return assigned


def check_disjoint(recordings: Iterable[Recording], assigned: Mapping[str, Hashable]) -> None:
    """Raise ConfigError when a group or a file is in two parts: a model would be tested on its training data."""
    for leak in find_leaks(recordings, assigned):
        raise ConfigError(leak)


def find_leaks(recordings: Iterable[Recording], assigned: Mapping[str, Hashable]) -> Iterator[str]:
    """Yield a message for each recording whose group or file is already in another part."""
    part_of: dict[Hashable, Hashable] = {}
    for recording in recordings:
        part = assigned[recording.name]
        for kind, unit in (("group", recording.group), ("file", str(recording.path))):
            first = part_of.setdefault((kind, unit), part)
            if first != part:
                yield f"{kind} {unit!r} is split between {first} and {part} by {recording.name}; keep a {kind} whole"


def split_share(recordings: Sequence[Recording], share: float, seed: int) -> frozenset[str]:
    """Select a share of the groups, stratified by species, and return the names of their recordings.

    Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011), as AnuraSet was split (Cañas et al. 2023).
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    blocks = _blocks([(each.group,) for each in recordings])
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
    truth = _truth(recordings, blocks)
    _, chosen = next(splitter.split(truth, truth))
    assigned = {each.name: block in chosen for each, block in zip(recordings, blocks, strict=True)}
    check_disjoint(recordings, assigned)
    return frozenset(name for name, is_chosen in assigned.items() if is_chosen)


def _stratify(recordings: Sequence[Recording], blocks: NDArray[np.intp], folds: int, seed: int) -> Folds:
    """Assign whole blocks to folds by iterative stratification, for recordings with several species."""
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    truth = _truth(recordings, blocks)
    splitter = MultilabelStratifiedKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.zeros(len(truth), np.intp)
    for fold, (_, tested) in enumerate(splitter.split(truth, truth)):
        fold_of[tested] = fold
    assigned = {each.name: int(fold_of[block]) for each, block in zip(recordings, blocks, strict=True)}
    check_disjoint(recordings, assigned)
    return assigned


def _blocks(keys: Sequence[Sequence[Hashable]]) -> NDArray[np.intp]:
    """Return the number of each recording's block. Recordings with a common key, also indirectly, are in one block."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[Hashable, int] = {}
    edges = [
        (index, numbers.setdefault(key, len(keys) + len(numbers))) for index, own in enumerate(keys) for key in own
    ]
    size = len(keys) + len(numbers)
    graph = coo_array((np.ones(len(edges)), tuple(zip(*edges, strict=True))), (size, size))
    _, component = connected_components(graph, directed=False)
    return np.asarray(np.unique(component[: len(keys)], return_inverse=True)[1])


def _truth(recordings: Sequence[Recording], blocks: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether a species, or kind of background, is in a block: bool, (blocks, kinds)."""
    kinds = sorted({kind for recording in recordings for kind in _kinds(recording)})
    truth = np.zeros((blocks.max() + 1, max(len(kinds), 2)), bool)  # the splitters do not accept a single column
    for recording, block in zip(recordings, blocks, strict=True):
        for kind in _kinds(recording):
            truth[block, kinds.index(kind)] = True
    return truth


def _kinds(recording: Recording) -> tuple[str, ...]:
    return recording.codes or (f"no frog: {recording.kind}",)


def _require(recordings: Sequence[Recording], field: str) -> None:
    """Raise ConfigError when a field is empty in some recordings."""
    empty = [recording.name for recording in recordings if not getattr(recording, field)]
    if empty:
        raise ConfigError(
            f"{len(empty)} of {len(recordings)} recordings have no {field}, such as {empty[0]}; "
            "fill the column or choose other folds"
        )
