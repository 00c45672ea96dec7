"""Where the weights of a model come from: recipe, species, data sets, licences and credits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from anura_edge.config.yaml_loader import Section
from anura_train.data import Corpus, Recording
from anura_train.head_recipe import AnyRecipe

MAX_NAMES_PER_LINE = 20


class Species(Section):
    """One label and the recordings that it was trained on."""

    code: str
    scientific_name: str
    common_name: str
    recordings: int
    groups: int


class Provenance(Section):
    """Everything that a model card says about the origin of the weights."""

    recipe: AnyRecipe
    species: tuple[Species, ...]
    """In the order of the scores."""
    data: tuple[str, ...]
    """One line for each data set: name, number of recordings, licence."""
    credits: tuple[str, ...]
    """One line for each author: data set, licence, attribution, recordings."""
    golden_credit: str
    teachers: tuple[str, ...] = ()
    """Titles of the recipes of the teachers."""
    frozen: str = ""
    """Credit of the frozen network that the model contains; empty if there is none."""
    licence: str = "CC-BY-NC-4.0"
    """SPDX identifier of the licence of the weights."""


def make_provenance(
    recipe: AnyRecipe, corpus: Corpus, golden: Recording, teachers: Sequence[str] = (), frozen: str = ""
) -> Provenance:
    """Return the provenance of a model that was trained on a corpus.

    `frozen` is the credit of a frozen network, whose licence then applies.
    """
    training_recordings = corpus.frogs + corpus.backgrounds
    title = ", ".join([golden.name, *(corpus.taxon(code).scientific_name for code in golden.codes)])
    return Provenance(
        recipe=recipe,
        species=tuple(_species(code, corpus) for code in corpus.labels()),
        data=tuple(_data_lines(training_recordings)),
        credits=tuple(_credit_lines(training_recordings)),
        teachers=tuple(teachers),
        frozen=frozen,
        licence=_licence(training_recordings, frozen),
        golden_credit=f"{title}: {golden.licence}. {golden.attribution}".strip(),
    )


def _species(code: str, corpus: Corpus) -> Species:
    clips = [clip for clip in corpus.frogs if code in clip.codes]
    taxon = corpus.taxon(code)
    return Species(
        code=code,
        scientific_name=taxon.scientific_name,
        common_name=taxon.common_name,
        recordings=len(clips),
        groups=len({clip.group for clip in clips}),
    )


def _licence(clips: Sequence[Recording], frozen: str) -> str:
    """Return the strictest licence of the data; some of our recordings allow no commercial use."""
    share_alike = frozen or any("NC-SA" in clip.licence for clip in clips)
    return "CC-BY-NC-SA-4.0" if share_alike else "CC-BY-NC-4.0"


def _data_lines(clips: Sequence[Recording]) -> Iterable[str]:
    licences: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        licences[clip.name.split("/")[0]][clip.licence.split(" (")[0]] += 1
    for name, counts in licences.items():
        yield f"{name}: " + ", ".join(f"{count} recordings {licence}" for licence, count in sorted(counts.items()))


def _credit_lines(clips: Sequence[Recording]) -> Iterable[str]:
    """Yield each author with the licence and the names, or the number, of the recordings."""
    by_author: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for clip in clips:
        by_author[clip.name.split("/")[0], clip.licence, clip.attribution].append(Path(clip.name).stem)
    for (folder, licence, attribution), names in sorted(by_author.items()):
        recordings = ", ".join(sorted(names)) if len(names) <= MAX_NAMES_PER_LINE else f"{len(names)} recordings"
        yield f"{folder}, {licence}: {attribution or 'no name given'} ({recordings})"
