"""From a corpus to what one training learns from and, if it may stop early, what it is checked on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.errors import ConfigError
from anura_train.batches.audio_cache import Library, Shelf
from anura_train.batches.loader import Examples
from anura_train.batches.mixer import Mixer, Sounds
from anura_train.batches.windows import Window, Windows, cut
from anura_train.data import Corpus
from anura_train.data.box_grid import BoxGrid
from anura_train.data.folds import choose_share
from anura_train.models import crnn_cell_edges, rate_of
from anura_train.models.settings import RATE_HZ, CrnnSettings
from anura_train.recipe import EarlyStopping, Recipe, WindowSettings


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one training learns from."""

    labels: tuple[str, ...]
    examples: Examples
    check: Windows | None = None
    """What early stopping listens to; nothing of it is learnt from."""


def open_lesson(recipe: Recipe, corpus: Corpus, labels: tuple[str, ...]) -> Lesson:
    """Prepare the examples that a recipe makes of the recordings that may be learnt from.

    Sound is decoded when it is learnt from. Raises SourceError for a recording that cannot be read, ConfigError where
    there is nothing to learn from.
    """
    if recipe.augment:
        sounds = load_sounds(corpus, labels)
        mixer = Mixer(sounds, recipe.augment, recipe.example_s, np.random.default_rng(recipe.seed))
        return Lesson(labels, mixer)
    return _cut_lesson(recipe, recipe.windows or WindowSettings(), corpus, labels)


def _cut_lesson(recipe: Recipe, settings: WindowSettings, corpus: Corpus, labels: tuple[str, ...]) -> Lesson:
    windows, checked = cut(corpus.frogs + corpus.backgrounds, settings), list[Window]()
    if recipe.early_stopping:
        windows, checked = divide(windows, recipe.early_stopping, recipe.seed)
    if not windows:
        raise ConfigError("no recording is left to learn from; add recordings or lower early_stopping.share")
    library = Library(rate_of(recipe.model))
    grid = BoxGrid(*crnn_cell_edges()) if isinstance(recipe.model, CrnnSettings) else None
    learnt = Windows(windows, labels, settings, library, recipe.seed, grid)
    check = Windows(checked, labels, WindowSettings(), library, recipe.seed) if checked else None
    return Lesson(labels, learnt, check)


def load_sounds(corpus: Corpus, labels: tuple[str, ...]) -> Sounds:
    """Return all that is learnt from, which is decoded when an example is made of it."""
    library = Library(RATE_HZ)
    return Sounds(
        calls=Shelf(library, corpus.frogs),
        codes=tuple(clip.codes for clip in corpus.frogs),
        backgrounds=Shelf(library, corpus.backgrounds),
        labels=labels,
        rate_hz=RATE_HZ,
    )


def divide(windows: Sequence[Window], settings: EarlyStopping, seed: int) -> tuple[list[Window], list[Window]]:
    """Part windows into those to learn from and those to check, whole groups at a time unless the recipe says not."""
    if settings.split == "windows":
        chosen = np.random.default_rng(seed).random(len(windows)) < settings.share
    else:
        recordings = list({window.recording.name: window.recording for window in windows}.values())
        names = choose_share(recordings, settings.share, seed)
        chosen = np.array([window.recording.name in names for window in windows])
    parted = list(zip(windows, chosen, strict=True))
    return [each for each, checked in parted if not checked], [each for each, checked in parted if checked]
