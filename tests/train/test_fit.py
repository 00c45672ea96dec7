import numpy as np
import pytest
import torch

from anura_train.augment import Mixer
from anura_train.data import RATE_HZ, Corpus
from anura_train.fit import fit
from anura_train.jobs import load_sounds, score
from anura_train.losses import weak_label_loss
from anura_train.metrics import mean_average_precision
from anura_train.recipe import Recipe


def test_training_learns_to_tell_the_species_apart(corpus: Corpus, recipe: Recipe) -> None:
    model = fit(recipe, load_sounds(corpus, corpus.labels()), lambda *_: None)
    frogs = [clip for clip in corpus.frogs if clip.codes[0] in corpus.labels()]
    scores = np.stack([rows.max(0) for rows in score(model, frogs).values()])
    truth = np.array([[clip.codes[0] == label for label in corpus.labels()] for clip in frogs])
    assert mean_average_precision(scores, truth) > 0.8


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(corpus: Corpus, recipe: Recipe) -> None:
    short = recipe.model_copy(update={"steps": 2})
    sounds = load_sounds(corpus, corpus.labels())
    first, second = (fit(short, sounds, lambda *_: None).state_dict() for _ in range(2))
    other = fit(short.model_copy(update={"seed": 4}), sounds, lambda *_: None).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_examples_have_their_length_their_level_and_their_labels(corpus: Corpus, recipe: Recipe) -> None:
    labels = corpus.labels()
    mixer = Mixer(load_sounds(corpus, labels), recipe.augment, recipe.example_s, np.random.default_rng(0))
    waveforms, targets = mixer.batch(200)
    assert waveforms.shape == (200, round(recipe.example_s * RATE_HZ))
    assert targets.shape == (200, len(labels))
    assert np.abs(waveforms).max() <= 1
    low, high = recipe.augment.level_dbfs
    level_dbfs = 10 * np.log10(np.square(waveforms).mean(1)[waveforms.any(1)])
    assert ((level_dbfs > low - 1) & (level_dbfs < high + 1)).all()
    assert 0 < (targets.sum(1) == 0).mean() < 0.6
    assert targets.sum(1).max() == 2


@pytest.mark.parametrize("present", [0, 1])
def test_the_loss_falls_when_the_logits_move_towards_the_label(present: int) -> None:
    target = torch.full((1, 1), float(present))
    losses = [float(weak_label_loss(torch.full((1, 10, 1), logit), target)) for logit in (-4.0, 0.0, 4.0)]
    assert losses == sorted(losses, reverse=bool(present))


def test_a_call_in_a_third_of_the_rows_is_enough() -> None:
    target = torch.ones(1, 1)
    sometimes = torch.full((1, 10, 1), -6.0)
    sometimes[:, 4:7] = 6.0
    assert weak_label_loss(sometimes, target) < 0.01
