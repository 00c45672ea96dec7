"""A call over a background has the wanted signal-to-noise ratio and the labels of both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import ConfigError
from anura_train.data.overlay import Backgrounds, overlay

RATE_HZ = 8_000


def noise(seed: int, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE_HZ)).astype(np.float32)


@pytest.fixture
def backgrounds() -> Backgrounds:
    targets = np.array([[0, 1, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    return Backgrounds([noise(1, 3), noise(2, 0.3, 0.01), noise(3)], targets, ["pond", "lake", ""])


@given(st.floats(-20, 40), st.integers(0, 50))
def test_overlay_has_the_wanted_snr(snr_db: float, seed: int) -> None:
    call = noise(9, level=0.05)
    over = Backgrounds([noise(1, 3)], np.zeros((1, 3), np.float32), ["lake"])
    mixture, _ = overlay(call, np.zeros(3, np.float32), "pond", over, (snr_db, snr_db), np.random.default_rng(seed))
    added = mixture - call
    assert 10 * np.log10(np.square(call).mean() / np.square(added).mean()) == pytest.approx(snr_db, abs=0.05)


def test_overlay_uses_another_site_and_union_of_labels(backgrounds: Backgrounds) -> None:
    target = np.array([1, 0, 0], np.float32)
    rng = np.random.default_rng(0)
    seen = {tuple(overlay(noise(9), target, "pond", backgrounds, (0, 9), rng)[1].tolist()) for _ in range(40)}
    assert seen == {(1, 0, 0), (1, 0, 1)}
    anywhere = {tuple(overlay(noise(9), target, "", backgrounds, (0, 9), rng)[1].tolist()) for _ in range(40)}
    assert anywhere == {(1, 0, 0), (1, 0, 1), (1, 1, 0)}


def test_overlay_is_deterministic_and_copies_its_inputs(backgrounds: Backgrounds) -> None:
    call, target = noise(9), np.array([1, 0, 0], np.float32)
    copies = call.copy(), target.copy()
    first, second = (overlay(call, target, "x", backgrounds, (0, 9), np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(call, copies[0])
    assert np.array_equal(target, copies[1])


def test_overlay_accepts_silence() -> None:
    silence = Backgrounds([np.zeros(RATE_HZ, np.float32)], np.zeros((1, 1), np.float32), ["lab"])
    mixture, _ = overlay(noise(9), np.ones(1, np.float32), "pond", silence, (0, 0), np.random.default_rng(0))
    assert np.array_equal(mixture, noise(9))


def test_overlay_without_another_site_is_refused(backgrounds: Backgrounds) -> None:
    alone = Backgrounds(backgrounds.waveforms[:1], backgrounds.targets[:1], ["pond"])
    with pytest.raises(ConfigError, match="no background of another site than 'pond'"):
        overlay(noise(9), np.zeros(3, np.float32), "pond", alone, (0, 0), np.random.default_rng(0))
