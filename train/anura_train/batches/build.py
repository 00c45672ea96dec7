"""Prepares the training examples of a recipe and, for early stopping, the validation windows."""

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
from anura_train.models.settings import CrnnSettings
from anura_train.recipe import EarlyStoppingSettings, Recipe, WindowSettings


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The input of one training."""

    labels: tuple[str, ...]
    examples: ExampleGenerator
    validation: WindowExamples | None = None
    """Windows for early stopping. They are not used for training."""


def prepare_training_data(recipe: Recipe, corpus: Corpus, labels: tuple[str, ...]) -> TrainingData:
    """Prepare the examples of a recipe from the frogs and backgrounds of a corpus.

    Audio is decoded later, when an example needs it. Raises SourceError for a recording that cannot be read,
    ConfigError when no recording is left.
    """
    if recipe.augment:
        sources = open_source_audio(corpus, labels, sampling_rate_hz(recipe.model))
        mixer = Mixer(sources, recipe.augment, recipe.example_s, np.random.default_rng(recipe.seed))
        return TrainingData(labels, mixer)
    return _windowed_training_data(recipe, recipe.windows or WindowSettings(), corpus, labels)


def _windowed_training_data(
    recipe: Recipe, settings: WindowSettings, corpus: Corpus, labels: tuple[str, ...]
) -> TrainingData:
    training, validation = cut_windows(corpus.frogs + corpus.backgrounds, settings), list[Window]()
    if recipe.early_stopping:
        training, validation = split_validation(training, recipe.early_stopping, recipe.seed)
    if not training:
        raise ConfigError("no recording is left for training; add some or reduce early_stopping.validation_share")
    cache = AudioCache(sampling_rate_hz(recipe.model))
    grid = BoxGrid(*crnn_cell_edges()) if isinstance(recipe.model, CrnnSettings) else None
    return TrainingData(
        labels,
        WindowExamples(training, labels, settings, cache, recipe.seed, grid),
        WindowExamples(validation, labels, WindowSettings(), cache, recipe.seed) if validation else None,
    )


def open_source_audio(corpus: Corpus, labels: tuple[str, ...], rate_hz: int) -> SourceAudio:
    """Return the audio of a corpus at a sampling rate for a Mixer. It is decoded when an example needs it."""
    cache = AudioCache(rate_hz)
    return SourceAudio(
        calls=CachedAudio(cache, corpus.frogs),
        codes=tuple(recording.codes for recording in corpus.frogs),
        backgrounds=CachedAudio(cache, corpus.backgrounds),
        labels=labels,
        rate_hz=rate_hz,
    )


def split_validation(
    windows: Sequence[Window], settings: EarlyStoppingSettings, seed: int
) -> tuple[list[Window], list[Window]]:
    """Split windows into training and validation, by whole groups or window by window as the settings say."""
    if settings.split == "windows":
        validated = np.random.default_rng(seed).random(len(windows)) < settings.validation_share
    else:
        recordings = list({window.recording.name: window.recording for window in windows}.values())
        names = split_share(recordings, settings.validation_share, seed)
        validated = np.array([window.recording.name in names for window in windows])
    marked = list(zip(windows, validated, strict=True))
    return [each for each, is_validation in marked if not is_validation], [each for each, is_v in marked if is_v]
