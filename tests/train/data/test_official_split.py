"""The published test part is not used for training, and is evaluated once."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from data_sets import write_raw
from lightning_fabric import Fabric
from typer.testing import CliRunner

from anura_train.checkpoints.final import TEST_LOGITS, load_checkpoint, load_logits
from anura_train.checkpoints.resume import fingerprint
from anura_train.cli import main
from anura_train.data import Corpus, Recording, Taxon, WeakLabel, read_corpus
from anura_train.data.folds import published_fold_count
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import load_evaluation, summary_of_test_part
from anura_train.recipe import Recipe
from anura_train.report import embedding
from anura_train.training.folds import RunContext, fit_final

ROOT = Path(__file__).parents[3]


def recording(number: int, group: str, codes: Sequence[str], split: str) -> Recording:
    return Recording(Path(f"{number}.wav"), str(number), group, tuple(map(WeakLabel, codes)), split=split)


def corpus_of(rows: Sequence[tuple[str, Sequence[str], str]], species: Sequence[str]) -> Corpus:
    recordings = (recording(number, *row) for number, row in enumerate(rows))
    return Corpus(tuple(recordings), tuple(map(Taxon, species)))


def test_labels_have_training_and_test_groups() -> None:
    rows = [("a", ["BOTH", "ONCE"], "train"), ("b", ["TWICE"], "train"), ("c", ["TWICE"], "train")]
    rows += [("d", ["BOTH", "NEVER"], "test"), ("e", ["NEVER"], "test")]
    corpus = corpus_of(rows, ["BOTH", "ONCE", "TWICE", "NEVER"])
    assert corpus.labels() == ("BOTH", "TWICE")
    assert [each.group for each in corpus.test] == ["d", "e"]
    assert not {each.name for each in corpus.test} & {each.name for each in corpus.frogs + corpus.backgrounds}


def make_predictions() -> tuple[Corpus, Predictions, Predictions]:
    """Return data and predictions: A and B are detected without errors, C is not in the test part, D only there."""
    rng = np.random.default_rng(0)
    rows = [(f"t{number}", ["ABC"[number % 3]] if number % 4 else [], "train") for number in range(48)]
    rows += [(f"x{number}", ["A", "B", "D", ""][number % 4 : number % 4 + 1], "test") for number in range(24)]
    corpus = corpus_of([(group, list(filter(None, codes)), split) for group, codes, split in rows], "ABCD")
    logits = {
        each.name: np.array([[6.0 if code in each.codes else -6.0 for code in "ABC"]], np.float32)
        + rng.normal(0, 0.1, (1, 3)).astype(np.float32)
        for each in corpus.recordings
    }
    for_training = corpus.frogs + corpus.backgrounds
    predictions = Predictions(for_training, ("A", "B", "C"), np.arange(len(for_training)) % 3, logits, 1.0, 3.0)
    return corpus, predictions, replace(predictions, recordings=corpus.test, fold=np.full(len(corpus.test), -1))


def test_mean_over_all_species_includes_undetected_ones(recipe: Recipe) -> None:
    corpus, predictions, test = make_predictions()
    found = evaluate(recipe, corpus, predictions, test=test)
    assert (found.species, found.test_labels) == (4, 2)
    assert (found.test_recordings, found.test_with_species) == (24, 18)
    for condition in ("test", "test, recordings with a species"):
        assert found.find("macro-F1 at 0.5", "all", condition).value == pytest.approx(1.0)
        assert found.find("macro-F1 at 0.5", "every species", condition).value == pytest.approx(2 / 4)
    assert found.find("macro-F1 at 0.5", "every species") is None  # there is no such published out-of-fold figure
    summary = "\n".join(summary_of_test_part(found))
    assert "2 of 4 species" in summary
    assert not list(summary_of_test_part(evaluate(recipe, corpus, predictions)))


def test_species_of_one_fold_is_excluded_from_fold_mean(recipe: Recipe) -> None:
    corpus, predictions, _ = make_predictions()
    fold = np.array([0 if "C" in each.codes else 1 + number % 2 for number, each in enumerate(predictions.recordings)])
    logits = {name: np.where([0, 0, 1], -9, each) for name, each in predictions.frame_logits.items()}
    changed = replace(predictions, fold=fold, frame_logits=logits)
    found = evaluate(recipe, corpus, changed)
    assert found.find("macro-F1 at 0.5", "several folds").value == pytest.approx(1.0)
    assert found.find("macro-F1 at 0.5", "all").value == pytest.approx(2 / 3)


def with_test(corpus: Corpus) -> Corpus:
    """Put the third group of each species into the test part."""
    set_aside = [replace(each, split="test" if each.group.endswith("2") else "train") for each in corpus.recordings]
    return replace(corpus, recordings=tuple(set_aside))


def test_test_part_is_scored_but_not_trained_on(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    quick, parted = recipe.model_copy(update={"steps": 2, "folds": 2}), with_test(corpus)
    bench = RunContext(tmp_path, Fabric(accelerator="cpu", devices=1))
    fit_final(quick, parted, bench, lambda _: None)
    assert set(load_logits(tmp_path / TEST_LOGITS)) == {each.name for each in parted.test}
    less = parted.filter_recordings(lambda each: each.split != "test")
    assert fingerprint(quick, parted) == fingerprint(quick, less)
    species = load_checkpoint(tmp_path).provenance.species
    assert [each.recordings for each in species] == [2] * len(species)


def test_folds_by_site_are_written_as_published_folds(tmp_path: Path) -> None:
    made, run = tmp_path / "windows", CliRunner()
    done = run.invoke(main.app, ["data", "anuraset", "--raw", str(write_raw(tmp_path / "raw")), "--out", str(made)])
    assert done.exit_code == 0, done.output
    done = run.invoke(
        main.app, ["data", "folds", "--data", str(made), "--by", "sites", "--out", str(tmp_path / "sites")]
    )
    assert done.exit_code == 0, done.output
    corpus = read_corpus(tmp_path / "sites")
    assert published_fold_count(corpus) == len({each.site for each in corpus.frogs + corpus.backgrounds})
    assert len({(each.site, each.split) for each in corpus.frogs + corpus.backgrounds}) == published_fold_count(corpus)
    assert {each.split for each in corpus.test} == {"test"}


def small(plan: Path, home: Path) -> Path:
    """Reduce the budget of each recipe in a plan to one step."""
    values = yaml.safe_load(plan.read_text(encoding="utf-8"))
    for entry in values["recipes"]:
        entry["changes"] = {"steps": 1, "epochs": None, "batch_size": 4, "folds": 2}
        if "anuraset" in entry["recipe"]:
            entry["changes"]["model"] = {"features": {"height": 32, "width": 32}}
        entry["recipe"] = str(plan.parent / entry["recipe"])
    path = home / "plan.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.mark.usefixtures("train_in_process")
def test_three_commands_train_three_models_on_anuraset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, data, out = write_raw(tmp_path / "raw"), tmp_path / "data", tmp_path / "out"
    plan = small(ROOT / "train/anuraset.yaml", tmp_path)
    monkeypatch.setattr(embedding, "MAX_RECORDINGS", 12)  # too few for UMAP, which a test of the report covers
    guide = (ROOT / "docs/how-to/train-a-model.md").read_text(encoding="utf-8")
    blocks = guide.partition("in three commands")[2].partition("With your own annotations")[0].split("```sh\n")[1:]
    commands = [line for block in blocks for line in block.partition("```")[0].splitlines()]
    assert len(commands) == 6  # three, the published windows, folds by site and by night
    places = {"build/anuraset/results.md": tmp_path / "page.md", "/media/data/raw": raw, "/media/data/anuraset": data}
    places |= {"build/anuraset": out, "train/anuraset.yaml": plan, "--folds 5": "--folds 2"}
    for command in commands:
        made = tmp_path / "published" if "anuraset-windows" in command else data
        for written, here in ({"build/data/anuraset": made} | places).items():
            command = command.replace(written, str(here))
        command = command.replace("build/data", str(tmp_path / "folds"))
        monkeypatch.setattr(sys, "argv", command.split())
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert not ended.value.code
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    for name in ("anuraset_published", "anuraset_corrected", "teacher_ast"):
        assert page.count(f"\n| {name} |") == 3  # out of fold, test, budget
        evaluation = load_evaluation(out / "folder" / name)
        assert evaluation.test_recordings == len(read_corpus(data).test)
    assert "macro-F1 at 0.5, 3 species" in page
    assert "test part" in (out / "folder/teacher_ast/report/index.html").read_text(encoding="utf-8")
