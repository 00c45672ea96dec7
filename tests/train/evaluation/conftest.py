"""Predictions without a training: recordings with boxes, and frame scores drawn at random."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from anura_train.data import Corpus, Recording, StrongLabel, Taxon, WeakLabel
from anura_train.evaluation.predictions import Predictions

CODES = ("AAA", "BBB", "CCC")
DURATION_S, RATE_HZ = 10, 100


def make_predictions(root: Path, skill: float, seed: int = 0, groups: int = 30) -> tuple[Corpus, Predictions]:
    """Return two recordings per group and frames of 1 s, whose logits are `skill` above noise where a frog calls."""
    rng = np.random.default_rng(seed)
    recordings, frame_logits = [], {}
    soundfile.write(root / "silence.wav", np.zeros(DURATION_S * RATE_HZ), RATE_HZ)
    for index in range(2 * groups):
        group = index // 2
        species = [code for number, code in enumerate(CODES) if group % 4 == number]
        onset_s = int(rng.integers(0, 7))
        recordings.append(
            Recording(
                path=root / "silence.wav",
                name=f"{index:03}.wav",
                group=f"g{group:03}",
                weak=tuple(WeakLabel(code) for code in species),
                strong=tuple(StrongLabel(code, onset_s, onset_s + 3) for code in species),
                site="pond" if group % 3 else "creek",
                start=datetime(2024, 5, 1, 18, tzinfo=UTC) + timedelta(hours=index % 10),
            )
        )
        logits = rng.normal(-2, 1, (DURATION_S, len(CODES)))
        for code in species:
            logits[onset_s : onset_s + 3, CODES.index(code)] += skill
        frame_logits[f"{index:03}.wav"] = logits.astype(np.float32)
    fold = np.arange(2 * groups) // 2 % 3
    predictions = Predictions(tuple(recordings), CODES, fold, frame_logits, hop_s=1.0, window_s=1.0)
    return Corpus(tuple(recordings), tuple(Taxon(code) for code in CODES)), predictions


def shuffle(predictions: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(predictions.recordings))
    recordings = tuple(predictions.recordings[each] for each in order)
    return replace(predictions, recordings=recordings, fold=predictions.fold[order])


@pytest.fixture
def predicted(tmp_path: Path) -> tuple[Corpus, Predictions]:
    return make_predictions(tmp_path, skill=4.0)
