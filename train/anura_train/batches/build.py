"""From a corpus to what one training learns from and, if it may stop early, what it is checked on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.errors import ConfigError
from anura_train.batches.audio_cache import AudioCache, CachedAudio
from anura_train.batches.loader import ExampleGenerator
from anura_train.batches.mixer import Mixer, SourceAudio
from anura_train.batches.windows import Window, WindowExamples, cut_windows
from anura_train.data import Corpus
from anura_train.data.box_grid import BoxGrid
from anura_train.data.folds import split_share
from anura_train.models import crnn_cell_edges, sampling_rate_hz
from anura_train.models.settings import RATE_HZ, CrnnSettings
from anura_train.recipe import EarlyStoppingSettings, Recipe, WindowSettings


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What one training learns from."""

    labels: tuple[str, ...]
    examples: ExampleGenerator
    check: WindowExamples | None = None
    """What early stopping listens to; nothing of it is learnt from."""


def prepare_training_data(recipe: Recipe, corpus: Corpus, labels: tuple[str, ...]) -> TrainingData:
    """Prepare the examples that a recipe makes of the recordings that may be learnt from.

    Sound is decoded when it is learnt from. Raises SourceError for a recording that cannot be read, ConfigError where
    there is nothing to learn from.
    """
    if recipe.augment:
        sounds = open_source_audio(corpus, labels)
        mixer = Mixer(sounds, recipe.augment, recipe.example_s, np.random.default_rng(recipe.seed))
        return TrainingData(labels, mixer)
    return _windowed_training_data(recipe, recipe.windows or WindowSettings(), corpus, labels)


def _windowed_training_data(
    recipe: Recipe, settings: WindowSettings, corpus: Corpus, labels: tuple[str, ...]
) -> TrainingData:
    windows, checked = cut_windows(corpus.frogs + corpus.backgrounds, settings), list[Window]()
    if recipe.early_stopping:
        windows, checked = split_validation(windows, recipe.early_stopping, recipe.seed)
    if not windows:
        raise ConfigError("no recording is left to learn from; add recordings or lower early_stopping.share")
    library = AudioCache(sampling_rate_hz(recipe.model))
    grid = BoxGrid(*crnn_cell_edges()) if isinstance(recipe.model, CrnnSettings) else None
    learnt = WindowExamples(windows, labels, settings, library, recipe.seed, grid)
    check = WindowExamples(checked, labels, WindowSettings(), library, recipe.seed) if checked else None
    return TrainingData(labels, learnt, check)


def open_source_audio(corpus: Corpus, labels: tuple[str, ...]) -> SourceAudio:
    """Return all that is learnt from, which is decoded when an example is made of it."""
    library = AudioCache(RATE_HZ)
    return SourceAudio(
        calls=CachedAudio(library, corpus.frogs),
        codes=tuple(clip.codes for clip in corpus.frogs),
        backgrounds=CachedAudio(library, corpus.backgrounds),
        labels=labels,
        rate_hz=RATE_HZ,
    )


def split_validation(
    windows: Sequence[Window], settings: EarlyStoppingSettings, seed: int
) -> tuple[list[Window], list[Window]]:
    """Part windows into those to learn from and those to check, whole groups at a time unless the recipe says not."""
    if settings.split == "windows":
        chosen = np.random.default_rng(seed).random(len(windows)) < settings.validation_share
    else:
        recordings = list({window.recording.name: window.recording for window in windows}.values())
        names = split_share(recordings, settings.validation_share, seed)
        chosen = np.array([window.recording.name in names for window in windows])
    parted = list(zip(windows, chosen, strict=True))
    return [each for each, checked in parted if not checked], [each for each, checked in parted if checked]
