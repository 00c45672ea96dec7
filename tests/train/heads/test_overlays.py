"""Mixtures of labelled recordings with backgrounds."""

import numpy as np
import pytest

from anura_train.data import Corpus, load_audio
from anura_train.data.overlay import rms
from anura_train.head_recipe import OverlaySettings
from anura_train.heads.overlays import Overlay, plan_overlays

RATE_HZ = 8_000
SETTINGS = OverlaySettings(per_window=2, max_windows=3, snr_db=(0, 10))


def test_plan_is_the_same_for_the_same_seed(corpus: Corpus) -> None:
    plans = [list(plan_overlays(corpus.frogs, corpus.backgrounds, SETTINGS, RATE_HZ, seed)) for seed in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    assert len(plans[0]) == 2 * len(corpus.frogs)  # recordings of 3 s have one window
    assert all(0 <= each.snr_db <= 10 for each in plans[0])


def test_data_without_backgrounds_has_no_mixtures(corpus: Corpus) -> None:
    assert not list(plan_overlays(corpus.frogs, (), SETTINGS, RATE_HZ, 0))


@pytest.mark.parametrize("seconds", [1, 3, 7])
def test_mixture_is_a_window_long_and_contains_both(corpus: Corpus, seconds: int) -> None:
    call = 0.1 * np.sin(np.arange(seconds * RATE_HZ)).astype(np.float32)
    background = load_audio(corpus.backgrounds[0], RATE_HZ)
    mixed = Overlay(corpus.frogs[0], corpus.backgrounds[0], 6.0, seed=3).make(call, background, RATE_HZ)
    alone = Overlay(corpus.frogs[0], corpus.backgrounds[0], 300.0, seed=3).make(call, background, RATE_HZ)
    assert len(mixed) == 3 * RATE_HZ
    assert 20 * np.log10(rms(alone) / rms(mixed - alone)) == pytest.approx(6.0, abs=0.1)
