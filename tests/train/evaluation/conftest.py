"""A trial without a training: boxed recordings, and rows of scores that somebody else could have made."""

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


def make_trial(root: Path, skill: float, seed: int = 0, groups: int = 30) -> tuple[Corpus, Predictions]:
    """Return recordings of two per group and rows of 1 s, whose logits are `skill` above noise where a frog calls."""
    rng = np.random.default_rng(seed)
    recordings, rows = [], {}
    soundfile.write(root / "silence.wav", np.zeros(DURATION_S * RATE_HZ), RATE_HZ)
    for index in range(2 * groups):
        group = index // 2
        species = [code for place, code in enumerate(CODES) if group % 4 == place]
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
        row = rng.normal(-2, 1, (DURATION_S, len(CODES)))
        for code in species:
            row[onset_s : onset_s + 3, CODES.index(code)] += skill
        rows[f"{index:03}.wav"] = row.astype(np.float32)
    fold = np.arange(2 * groups) // 2 % 3
    trial = Predictions(tuple(recordings), CODES, fold, rows, step_s=1.0, span_s=1.0)
    return Corpus(tuple(recordings), tuple(Taxon(code) for code in CODES)), trial


def shuffled(trial: Predictions, seed: int) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(trial.recordings))
    return replace(trial, recordings=tuple(trial.recordings[each] for each in order), fold=trial.fold[order])


@pytest.fixture
def made(tmp_path: Path) -> tuple[Corpus, Predictions]:
    return make_trial(tmp_path, skill=4.0)
