"""The combination of the head's score with BirdNET's logit."""

import numpy as np
from scipy.special import expit

from anura_train.heads.combination import ScoredRecording, fit_combination, published_scores
from anura_train.models.birdnet.transfer import NO_PRIOR


def draw(known: np.ndarray, recordings: int = 400) -> tuple[list[ScoredRecording], np.ndarray]:
    """Recordings of four windows with one of three labels or none, and noisy scores."""
    rng = np.random.default_rng(0)
    truth = np.eye(4, dtype=bool)[rng.integers(0, 4, recordings)][:, :3]
    scored = []
    for row in truth:
        scores = 0.5 * row + rng.normal(0, 0.2, (4, 3))
        priors = np.where(known, -6 + 4.0 * row + rng.normal(0, 1, (4, 3)), NO_PRIOR)
        scored.append(ScoredRecording(scores.astype(np.float32), priors.astype(np.float32)))
    return scored, truth


def test_combined_scores_are_calibrated() -> None:
    known = np.array([True, True, False])
    scored, truth = draw(known)
    combination = fit_combination(scored, truth, known, averaged_frames=1)
    labelled = truth.any(1)
    probabilities = expit(np.stack([combination(each).max(0) for each in scored]))[labelled]
    assert abs(probabilities.mean() - truth[labelled].mean()) < 0.05
    assert ((probabilities >= 0.5) == truth[labelled]).mean() > 0.9


def test_label_that_birdnet_lacks_is_scored_by_the_head_alone() -> None:
    known = np.array([True, True, False])
    scored, truth = draw(known)
    combination = fit_combination(scored, truth, known, averaged_frames=1)
    other = ScoredRecording(scored[0].scores, scored[0].priors - np.array([1, 1, 0], np.float32))
    np.testing.assert_array_equal(combination(scored[0])[:, 2], combination(other)[:, 2])
    assert (combination(scored[0])[:, :2] != combination(other)[:, :2]).all()


def test_published_scores_are_birdnets_logits() -> None:
    known = np.array([True, True, False])
    scored, _ = draw(known, recordings=1)
    np.testing.assert_allclose(published_scores(known)(scored[0]), scored[0].priors, atol=1e-5)
