"""Trainings write what evaluation needs, and do not learn from the recordings that test them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from lightning_fabric import Fabric

from anura_edge.errors import ConfigError, ModelError, SourceError
from anura_train.checkpoints.final import HELD_OUT_LOGITS, load_checkpoint, load_logits
from anura_train.cli import main
from anura_train.data import FREE_LICENCES, Corpus, load_audio
from anura_train.data.folds import cross_validation_folds
from anura_train.evaluation.shipped import load_shipped_report, write_shipped_report
from anura_train.recipe import Recipe
from anura_train.training.folds import GOLDEN_S, RunContext, choose_golden_clip, fit_final, fit_fold
from anura_train.training.loop import Step


def check_step(step: Step) -> None:
    assert 0 < step.number <= step.of
    assert np.isfinite(step.loss)


def test_a_trained_folder_can_be_evaluated(short: Recipe, corpus: Corpus, trained: Path) -> None:
    tested = [set(load_logits(trained / f"fold-{fold}.npz")) for fold in range(short.folds)]
    assert set.union(*tested) == {clip.name for clip in corpus.frogs + corpus.backgrounds}
    assert sum(map(len, tested)) == len(set.union(*tested))
    assert set(load_logits(trained / HELD_OUT_LOGITS)) == {clip.name for clip in corpus.held_out}
    report = write_shipped_report(trained, corpus)
    assert load_shipped_report(trained) == report
    assert [row.code for row in report.species] == list(corpus.labels())
    for metric in report.metrics:
        assert metric.protocol
        if metric.low is not None and metric.high is not None:
            assert metric.low <= metric.value <= metric.high
    provenance = load_checkpoint(trained).provenance
    assert "GPL" not in provenance.model_dump_json()
    assert all("somebody" in line or "a park" in line or "Piczak" in line for line in provenance.credits)


def test_a_fold_does_not_learn_from_its_test_groups(recipe: Recipe, corpus: Corpus) -> None:
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    clips = corpus.frogs + corpus.backgrounds
    for fold in range(recipe.folds):
        tested = {clip.group for clip in clips if folds[clip.name] == fold}
        assert tested.isdisjoint(clip.group for clip in clips if folds[clip.name] != fold)


@pytest.mark.parametrize("named", [None, "not/in/the/data.flac", "frogs/audio/DDD_0.flac"])
def test_a_golden_clip_has_a_free_licence_in_any_data(recipe: Recipe, corpus: Corpus, named: str | None) -> None:
    """The recipe names none, one that is elsewhere, or one whose licence forbids publishing it."""
    recipe = recipe.model_copy(update={"golden_clip": named})
    golden = choose_golden_clip(recipe, corpus)
    assert golden in corpus.frogs
    assert golden.licence.startswith(FREE_LICENCES)
    private = replace(corpus, recordings=tuple(replace(clip, licence="") for clip in corpus.recordings))
    golden = choose_golden_clip(recipe, private)
    assert golden.licence == "US public domain"
    assert len(load_audio(golden, 22_050)) >= GOLDEN_S * 22_050


def test_a_missing_training_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="anura-train fit"):
        write_shipped_report(tmp_path, corpus)
    with pytest.raises(SourceError, match="anura-train fit"):
        load_logits(tmp_path / "fold-0.npz")
    with pytest.raises(ModelError, match="anura-train evaluate"):
        load_shipped_report(tmp_path)


def test_a_user_error_is_a_message_without_a_traceback(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"typo": 1}))
    arguments = ["fit", "--recipe", str(path), "--data", str(root), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["anura-train", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == ConfigError.exit_code
    assert "typo" in capsys.readouterr().err


def test_published_folds_are_used_if_their_number_fits(recipe: Recipe, corpus: Corpus) -> None:
    splits = {clip.group: str(1 + index % recipe.folds) for index, clip in enumerate(corpus.frogs + corpus.backgrounds)}
    made = replace(
        corpus, recordings=tuple(replace(clip, split=splits.get(clip.group, "")) for clip in corpus.recordings)
    )
    folds = cross_validation_folds(made, recipe.folds, recipe.split_seed)
    assert all(folds[clip.name] == int(clip.split) - 1 for clip in made.frogs + made.backgrounds)
    assert cross_validation_folds(made, 2, recipe.split_seed) != folds


def test_data_without_background_can_be_evaluated(short: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    context = RunContext(tmp_path, Fabric(accelerator="cpu", devices=1))
    frogs = corpus.filter_recordings(lambda clip: bool(clip.codes))
    for fold in range(short.folds):
        fit_fold(short, frogs, fold, context, check_step)
    fit_final(short, frogs, context, check_step)
    report = write_shipped_report(tmp_path, frogs)
    assert not [metric for metric in report.metrics if "false alarms" in metric.name]
    assert len({row.threshold for row in report.species}) == 1
