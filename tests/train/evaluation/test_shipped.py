"""The shipped report: fixed figures for fixed scores, so that a change of the code cannot change them unseen."""

from pathlib import Path

import numpy as np
import pytest

from anura_train.checkpoints.final import HELD_OUT_LOGITS, Checkpoint, save_checkpoint, save_logits
from anura_train.checkpoints.provenance import make_provenance
from anura_train.data import Corpus, Recording, Taxon, WeakLabel
from anura_train.data.folds import cross_validation_folds
from anura_train.evaluation.shipped import ShippedReport, load_shipped_report, write_shipped_report
from anura_train.models import build_network
from anura_train.recipe import Recipe

CODES = ("AAA", "BBB", "CCC", "DDD")
FRAMES = 200


def make_recording(name: str, group: str, *codes: str) -> Recording:
    weak = tuple(map(WeakLabel, codes))
    return Recording(Path(name), name, group, weak, licence="CC0", held_out=name.startswith("held-out"))


@pytest.fixture
def corpus() -> Corpus:
    """Two to eight recordings for each species, three with two species, twelve and four backgrounds."""
    frogs = [
        make_recording(f"frogs/{code}_{number}", f"{code}{number}", code)
        for code, count in zip(CODES, (2, 4, 6, 8), strict=True)
        for number in range(count)
    ]
    frogs += [make_recording(f"frogs/both_{number}", f"both{number}", "CCC", "DDD") for number in range(3)]
    backgrounds = [make_recording(f"background/{number}", f"background{number}") for number in range(12)]
    held_out = [make_recording(f"held-out/{number}", f"held-out{number}") for number in range(4)]
    return Corpus((*frogs, *backgrounds, *held_out), tuple(Taxon(code) for code in CODES))


@pytest.fixture
def out(tmp_path: Path, corpus: Corpus, recipe: Recipe) -> Path:
    """A folder as `fit` leaves it, with scores drawn at random, higher where a species is."""
    rng = np.random.default_rng(5)
    recipe = recipe.model_copy(update={"golden_clip": None})
    model = build_network(recipe.model, len(CODES))
    save_checkpoint(tmp_path, Checkpoint(model, make_provenance(recipe, corpus, corpus.frogs[0])))
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)

    def draw(recording: Recording) -> np.ndarray:
        present = np.isin(CODES, recording.codes)
        return (rng.normal(-3, 0.8, (FRAMES, len(CODES))) + rng.normal(1.3, 1, len(CODES)) * present).astype(np.float32)

    for fold in range(recipe.folds):
        tested = [each for each in corpus.frogs + corpus.backgrounds if folds[each.name] == fold]
        save_logits(tmp_path / f"fold-{fold}.npz", {each.name: draw(each) for each in tested})
    save_logits(tmp_path / HELD_OUT_LOGITS, {each.name: draw(each) for each in corpus.held_out})
    return tmp_path


def test_figures_match_the_recorded_ones(out: Path, corpus: Corpus) -> None:
    report = write_shipped_report(out, corpus)
    assert load_shipped_report(out) == report
    assert (report.slope, report.offset) == pytest.approx((2.765523, 0.0312006), abs=1e-4)
    assert rounded(report) == [
        ("mean average precision", 0.8843, 0.7672, 0.9769),
        ("macro-F1 of the best label", 0.7098, 0.451, 0.8793),
        ("macro-F1 at the thresholds", 0.6397, 0.3469, 0.8111),
        ("calibration error", 0.1221, 0.1042, 0.1762),
        ("recordings found, preset default", 56.5217, 34.7826, 73.913),
        ("recordings wrong, preset default", 0.0, 0.0, 0.0),
        ("recordings silent, preset default", 43.4783, 26.087, 65.2174),
        ("false alarms, all kinds, preset default", 33.75, 0.8545, 188.043),
        ("false alarms, not named, preset default", 33.75, 0.8545, 188.043),
        ("recordings found, preset sensitive", 73.913, 56.5217, 91.3043),
        ("recordings wrong, preset sensitive", 13.0435, 0.0, 26.087),
        ("recordings silent, preset sensitive", 13.0435, 0.0, 30.4348),
        ("false alarms, all kinds, preset sensitive", 168.75, 54.7927, 393.8062),
        ("recordings found, preset strict", 39.1304, 21.7391, 56.6304),
        ("recordings wrong, preset strict", 0.0, 0.0, 0.0),
        ("recordings silent, preset strict", 60.8696, 43.3696, 78.2609),
        ("false alarms, all kinds, preset strict", 0.0, 0.0, 124.4997),
        ("false alarms, unseen places, preset default", 101.25, 2.5634, 564.1289),
    ]
    species = [
        (each.code, each.threshold, round(each.average_precision, 4), each.found, each.wrong) for each in report.species
    ]
    assert species == [
        ("AAA", 0.45, 1.0, 1, 0),
        ("BBB", 0.59, 0.6935, 1, 0),
        ("CCC", 0.55, 0.8493, 5, 0),
        ("DDD", 0.89, 0.9526, 7, 0),
    ]


def rounded(report: ShippedReport) -> list[tuple[str, float, float, float]]:
    metrics = [(each.name, each.value, each.low or 0.0, each.high or 0.0) for each in report.metrics]
    return [(name, round(value, 4), round(low, 4), round(high, 4)) for name, value, low, high in metrics]
