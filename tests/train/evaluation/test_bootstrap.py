"""Bootstrap intervals contain their values. Their width depends on the number of groups, not on that of items."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_train.evaluation.bootstrap import estimate, group_bootstrap, stratified_bootstrap
from anura_train.evaluation.metrics import average_precision, f1


@given(st.integers(0, 1_000))
def test_an_interval_contains_its_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random((24, 2)) < 0.4
    scores = rng.random((24, 2)).astype(np.float32)
    value, draws = group_bootstrap([str(item // 2) for item in range(24)], draws=60).compute(
        partial(average_precision, scores=scores, truth=truth)
    )
    for label in range(2):
        found = estimate(value[label], draws[:, label])
        if not np.isnan([found.value, found.low, found.high]).any():
            assert 0 <= found.low <= found.value <= found.high <= 1


def test_more_items_per_group_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20, 1)) < 0.5
    decisions = truth ^ (rng.random((20, 1)) < 0.3)
    groups = [str(item) for item in range(20)]
    whole = group_bootstrap(groups).compute(partial(f1, decisions=decisions, truth=truth))
    cut = group_bootstrap(np.repeat(groups, 50).tolist()).compute(
        partial(f1, decisions=np.repeat(decisions, 50, 0), truth=np.repeat(truth, 50, 0))
    )
    assert cut[0] == pytest.approx(whole[0])
    assert cut[1] == pytest.approx(whole[1])


def test_the_interval_of_a_share_is_that_of_textbooks() -> None:
    """Of 400 recordings half are right: the normal interval of a share is 0.5 +- 1.96 * sqrt(0.25 / 400)."""
    right = np.arange(400)[:, None] % 2 == 0
    value, draws = group_bootstrap([str(item) for item in range(400)]).compute(lambda weights: weights @ right / 400)
    found = estimate(value[0], draws[:, 0])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.451, 0.549), abs=0.006)


def test_stratified_draws_keep_the_size_of_each_stratum() -> None:
    strata = np.array(list("aabbbcccc"))
    bootstrap = stratified_bootstrap(strata.tolist(), draws=50)
    for stratum, size in (("a", 2), ("b", 3), ("c", 4)):
        assert (bootstrap.counts[:, strata == stratum].sum(1) == size).all()


def test_a_value_without_doubt_has_an_interval_without_width() -> None:
    truth = np.repeat(np.eye(3, dtype=bool), 4, axis=0)
    metric = partial(average_precision, scores=truth.astype(np.float32), truth=truth)
    value, draws = stratified_bootstrap(list("aaaabbbbcccc")).compute(metric)
    found = estimate(value[0], draws[:, 0])
    assert (found.low, found.value, found.high) == (1, 1, 1)


def test_draws_that_are_not_defined_are_ignored() -> None:
    assert np.isnan(estimate(np.nan, np.array([1.0])).value)
    assert np.isnan(estimate(0.4, np.array([np.nan])).low)
    assert estimate(0.4, np.array([np.nan, 0.4])).high == 0.4
