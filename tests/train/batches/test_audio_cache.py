"""The audio cache gives the same samples as decoded recordings, and respects its size limit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from anura_edge.errors import SourceError
from anura_train.batches.audio_cache import AudioCache, CachedAudio
from anura_train.batches.build import open_source_audio, prepare_training_data
from anura_train.batches.loader import generate_batches
from anura_train.batches.mixer import Mixer, SourceAudio
from anura_train.batches.windows import WindowExamples, cut_windows
from anura_train.data import Corpus, Recording, load_audio
from anura_train.models.settings import RATE_HZ
from anura_train.recipe import Recipe, WindowSettings


def test_lazy_and_preloaded_audio_give_equal_examples(corpus: Corpus, recipe: Recipe) -> None:
    lazy = open_source_audio(corpus, corpus.labels(), RATE_HZ)
    calls = tuple(load_audio(each, RATE_HZ) for each in corpus.frogs)
    held = replace(lazy, calls=calls, backgrounds=tuple(load_audio(each, RATE_HZ) for each in corpus.backgrounds))
    tight = replace(lazy, calls=CachedAudio(AudioCache(RATE_HZ, free_samples=0), corpus.frogs))

    def made(sounds: SourceAudio) -> list[bytes]:
        mixer = Mixer(sounds, recipe.augment, recipe.example_s, np.random.default_rng(5))
        drawn = [mixer.batch(step, 8) for step in (1, 2)]
        return [part.tobytes() for each in drawn for part in (each.waveforms, each.targets)]

    assert made(lazy) == made(held) == made(tight)


def test_audio_is_decoded_on_first_use(corpus: Corpus, recipe: Recipe) -> None:
    mixer = prepare_training_data(recipe, corpus, corpus.labels()).examples
    assert isinstance(mixer, Mixer)
    assert isinstance(mixer.sources.calls, CachedAudio)
    assert not mixer.sources.calls.cache.stored


@pytest.mark.parametrize("workers", [1, 3])
def test_prefetched_batches_and_rng_states_are_equal(corpus: Corpus, workers: int) -> None:
    settings = WindowSettings.model_validate(
        {
            "balanced": True,
            "stretch_share": 0.3,
            "stretch_factor": [0.8, 1.2],
            "overlay_share": 0.5,
            "overlay_snr_db": [-5, 5],
        }
        | {"mixup_share": 0.5, "gain_db": [-6, 6]}
    )
    windows = cut_windows(corpus.frogs + corpus.backgrounds, settings)

    def made(workers: int) -> list[tuple[bytes, bytes, object]]:
        examples = WindowExamples(windows, corpus.labels(), settings, AudioCache(RATE_HZ, free_samples=100_000), seed=2)
        drawn = generate_batches(examples, range(1, 8), 4, workers)
        return [(batch.waveforms.tobytes(), batch.targets.tobytes(), chance) for batch, chance in drawn]

    assert made(workers) == made(0)


def test_unused_prefetched_batches_are_cancelled(corpus: Corpus) -> None:
    settings = WindowSettings()
    examples = WindowExamples(
        cut_windows(corpus.frogs, settings), corpus.labels(), settings, AudioCache(RATE_HZ), seed=0
    )
    drawn = generate_batches(examples, range(1, 1_000), 4, workers=1)
    next(drawn)
    drawn.close()  # type: ignore[attr-defined]
    place = examples.rng.bit_generator.state
    assert examples.rng.bit_generator.state == place


def test_audio_cache_never_exceeds_its_limit(corpus: Corpus) -> None:
    cache = AudioCache(RATE_HZ, free_samples=5 * RATE_HZ)
    for recording in corpus.recordings * 2:
        assert len(cache[recording]) > 0
        assert sum(map(len, cache.stored.values())) <= 5 * RATE_HZ
    assert cache.stored


@pytest.mark.parametrize(("start", "length"), [(0, 100), (700, 600), (990, 50), (2_000, 10)])
@pytest.mark.parametrize("channels", [1, 2])
def test_excerpt_equals_slice_of_recording(tmp_path: Path, start: int, length: int, channels: int) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, (1_000, channels)) * np.arange(1, channels + 1) / channels
    soundfile.write(tmp_path / "a.flac", sound, RATE_HZ)
    recording = Recording(tmp_path / "a.flac", "a", "g")
    whole = load_audio(recording, RATE_HZ)
    for room in (0, 1_000):
        assert np.array_equal(
            AudioCache(RATE_HZ, free_samples=room).excerpt(recording, start, length), whole[start : start + length]
        )


def test_excerpt_of_invalid_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"a\.wav"):
        AudioCache(RATE_HZ, free_samples=0).excerpt(Recording(tmp_path / "a.wav", "a", "g"), 0, 10)
