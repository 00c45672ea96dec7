"""Intervals hold their figures, and doubt comes from groups, not from how often one was cut."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_train.evaluation.bootstrap import Redraws, estimate, mean_of
from anura_train.evaluation.measures import average_precision, f1


@given(st.integers(0, 1_000))
def test_an_interval_holds_its_figure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((24, 2)) < 0.4
    scores = rng.random((24, 2)).astype(np.float32)
    value, draws = Redraws([str(item // 2) for item in range(24)], draws=60).measure(
        partial(average_precision, scores=scores, truth=truth)
    )
    for label in range(2):
        found = estimate(value[label], draws[:, label])
        if found.value is not None and found.low is not None and found.high is not None:
            assert 0 <= found.low <= found.value <= found.high <= 1


def test_cutting_recordings_finer_does_not_take_doubt_away() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20, 1)) < 0.5
    heard = truth ^ (rng.random((20, 1)) < 0.3)
    groups = [str(item) for item in range(20)]
    whole = Redraws(groups).measure(partial(f1, decisions=heard, truth=truth))
    cut = Redraws(np.repeat(groups, 50).tolist()).measure(
        partial(f1, decisions=np.repeat(heard, 50, 0), truth=np.repeat(truth, 50, 0))
    )
    assert cut[0] == pytest.approx(whole[0])
    assert cut[1] == pytest.approx(whole[1])


def test_the_interval_of_a_share_is_the_textbooks() -> None:
    """Of 400 recordings half are right: the normal interval of a share is 0.5 +- 1.96 * sqrt(0.25 / 400)."""
    right = np.arange(400)[:, None] % 2 == 0
    value, draws = Redraws([str(item) for item in range(400)]).measure(lambda weights: weights @ right / 400)
    found = estimate(value[0], draws[:, 0])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.451, 0.549), abs=0.006)


def test_what_is_not_known_is_left_out() -> None:
    assert mean_of(np.array([[1.0, np.nan], [np.nan, np.nan]])) == pytest.approx([1.0, np.nan], nan_ok=True)
    assert estimate(np.nan, np.array([1.0])).value is None
    assert estimate(0.4, np.array([np.nan])).low is None
    assert estimate(0.4, np.array([np.nan, 0.4])).high == 0.4
