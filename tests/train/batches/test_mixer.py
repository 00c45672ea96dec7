"""Mixed examples have the length, level and labels of the recipe, and depend only on the seed."""

from dataclasses import replace

import numpy as np
import pytest

from anura_edge.audio import FloatArray
from anura_train.batches.mixer import Mixer, SourceAudio
from anura_train.recipe import AugmentSettings, Recipe

RATE_HZ = 8_000


@pytest.fixture
def sounds() -> SourceAudio:
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 0.1, seconds * RATE_HZ).astype(np.float32) for seconds in (1, 5, 9, 4, 1)]
    return SourceAudio(tuple(noise[:3]), (("AAA",), ("BBB",), ("ZZZ",)), tuple(noise[3:]), ("AAA", "BBB"), RATE_HZ)


def mixer(sounds: SourceAudio, recipe: Recipe, seed: int = 0, example_s: float = 2.0, **changes: object) -> Mixer:
    # The corner of the low-pass filter may be above half of this test's sampling rate.
    settings = AugmentSettings.model_validate(recipe.augment.model_dump() | {"low_pass": 0} | changes)
    return Mixer(sounds, settings, example_s, np.random.default_rng(seed))


def test_examples_have_one_length_within_full_scale(sounds: SourceAudio, recipe: Recipe) -> None:
    batch = mixer(sounds, recipe, level_dbfs=[-6, 0]).batch(1, 40)
    waveforms, targets = batch.waveforms, batch.targets
    assert waveforms.shape == (40, 2 * RATE_HZ)
    assert targets.shape == (40, 2)
    assert waveforms.dtype == targets.dtype == np.float32
    assert np.abs(waveforms).max() <= 1
    assert np.isfinite(waveforms).all()


def test_example_levels_are_in_range(sounds: SourceAudio, recipe: Recipe) -> None:
    waveforms = mixer(sounds, recipe, background_only=0, level_dbfs=[-40, -30]).batch(1, 40).waveforms
    levels_db = 10 * np.log10(np.square(waveforms).mean(1))
    assert (levels_db > -40.1).all()
    assert (levels_db < -29.9).all()


def test_background_has_no_label(sounds: SourceAudio, recipe: Recipe) -> None:
    assert not mixer(sounds, recipe, background_only=1).batch(1, 20).targets.any()


def test_two_mixed_species_are_both_labelled(sounds: SourceAudio, recipe: Recipe) -> None:
    targets = mixer(sounds, recipe, background_only=0, two_species=1).batch(1, 40).targets
    assert targets.sum(1).max() == 2


def test_call_mask_covers_the_inserted_excerpts(sounds: SourceAudio, recipe: Recipe) -> None:
    alone = {"background_only": 0.2, "with_background": 0, "two_species": 0.3}
    batch = mixer(replace(sounds, backgrounds=()), recipe, example_s=5.0, **alone).batch(1, 200)
    assert batch.call_mask is not None
    frogs = batch.call_mask.any(1)
    assert 0.1 < (~frogs).mean() < 0.3
    # Without a background, everything but the frog is silence.
    sounding = batch.waveforms.reshape(200, 50, RATE_HZ // 10).any(2)
    np.testing.assert_array_equal(batch.call_mask[frogs] > 0, sounding[frogs])
    assert 0.1 < (batch.call_mask[frogs] == 0).mean() < 0.9


def test_all_species_of_a_recording_are_labelled(sounds: SourceAudio, recipe: Recipe) -> None:
    chorus = replace(sounds, calls=sounds.calls[:1], codes=(("AAA", "BBB"),))
    assert (mixer(chorus, recipe, background_only=0, two_species=0).batch(1, 8).targets == 1).all()


def test_synthetic_noise_replaces_missing_backgrounds(sounds: SourceAudio, recipe: Recipe) -> None:
    batch = mixer(replace(sounds, backgrounds=()), recipe, background_only=1).batch(1, 8)
    waveforms, targets = batch.waveforms, batch.targets
    assert waveforms.any()
    assert not targets.any()


def test_species_outside_labels_is_ignored(sounds: SourceAudio) -> None:
    assert sounds.target("ZZZ").tolist() == [0, 0]
    assert sounds.target("ZZZ", "BBB").tolist() == [0, 1]


def test_equal_seeds_give_equal_batches(sounds: SourceAudio, recipe: Recipe) -> None:
    def drawn(seed: int) -> FloatArray:
        return mixer(sounds, recipe, seed).batch(1, 8).waveforms

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
