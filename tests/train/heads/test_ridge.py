"""The ridge regression of labels on embeddings, and the weights of its examples."""

import numpy as np
import pytest

from anura_train.heads.ridge import Examples, example_weights, fit_ridge
from anura_train.models.birdnet.network import EMBEDDING


def make_examples(codes: list[list[bool]], recording: list[int], seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    targets = np.array(codes)
    embeddings = rng.uniform(0, 0.2, (len(codes), EMBEDDING)).astype(np.float32)
    embeddings[:, : targets.shape[1]] += targets  # each label has a channel of its own
    return Examples(embeddings, targets, np.array(recording))


def test_each_label_weighs_the_same_and_the_background_as_much_as_all_labels() -> None:
    examples = make_examples([[True, False]] * 8 + [[False, True]] * 2 + [[False, False]] * 5, list(range(15)))
    weights = example_weights(examples)
    assert weights.sum() == pytest.approx(1)
    assert weights[:8].sum() == pytest.approx(0.25)
    assert weights[8:10].sum() == pytest.approx(0.25)
    assert weights[10:].sum() == pytest.approx(0.5)


def test_examples_of_a_long_recording_weigh_less() -> None:
    examples = make_examples([[True, False]] * 5 + [[False, False]], [0, 0, 0, 0, 1, 2])
    weights = example_weights(examples)
    assert weights[:4].sum() == pytest.approx(2 * weights[4])


def test_scores_of_new_examples_are_highest_for_their_label() -> None:
    codes = [[True, False], [False, True], [False, False]] * 20
    head = fit_ridge(make_examples(codes, list(range(60))), penalty=0.1)
    new = make_examples(codes, list(range(60)), seed=1)
    scores = head(new.embeddings)
    assert (scores[::3].argmax(1) == 0).all()
    assert (scores[1::3].argmax(1) == 1).all()
    assert scores[2::3].max() < min(scores[::3, 0].min(), scores[1::3, 1].min())


def test_a_larger_penalty_gives_smaller_weights() -> None:
    examples = make_examples([[True, False], [False, True]] * 10, list(range(20)))
    small, large = (np.abs(fit_ridge(examples, penalty).weight).max() for penalty in (1.0, 1_000.0))
    assert large < small / 5
