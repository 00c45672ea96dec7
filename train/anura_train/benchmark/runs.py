"""The trainings behind the table. What is done is not done again."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from anura_edge.errors import ConfigError
from anura_train.benchmark.cost import ModelCost as Cost
from anura_train.benchmark.cost import measure_cost
from anura_train.benchmark.leakage import SPLITS, write_both_splits
from anura_train.benchmark.plan import Plan, PlanEntry
from anura_train.checkpoints.final import TEST_LOGITS
from anura_train.checkpoints.resume import fingerprint
from anura_train.data import Corpus, Findings, read_corpus
from anura_train.data.folds import published_fold_count
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.esc50 import read_split_table
from anura_train.data.readers.layouts import layout_of
from anura_train.evaluation import measures
from anura_train.evaluation.bootstrap import Estimate, Redraws, estimate, mean_of
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.measures import Figures
from anura_train.evaluation.predictions import Predictions, read_predictions, read_test_predictions
from anura_train.evaluation.results import Evaluation, write_evaluation
from anura_train.evaluation.thresholds import apply_thresholds, fit_nested_thresholds
from anura_train.recipe import Recipe
from anura_train.training.logs import read_cpu_seconds
from anura_train.training.processes import TrainingTask

SETS = {"frogs": "Frogs", "esc10": "ESC-10", "folder": "The data"}


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkResult:
    """A recipe on a data set: one line of the table."""

    name: str
    data: str
    """One of SETS, or one of leakage.SPLITS."""
    recipe: Recipe
    changes: dict[str, object]
    cost: Cost
    trial: Predictions
    evaluation: Evaluation
    seconds: float
    """Core-seconds of training, all folds together."""


@dataclass(frozen=True, slots=True)
class BenchmarkContext:
    """Where and how it is all done."""

    data: Path
    """Holds recordings.csv, or frogs/, background/ and esc10/."""
    out: Path
    home: Path
    """The plan's folder."""
    train: Callable[[Sequence[TrainingTask]], None]
    """Does trainings, all at once where the machine can."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A line of the table that is still to be trained and judged."""

    entry: PlanEntry
    recipe: Recipe
    data: str
    """One of SETS, or one of leakage.SPLITS."""
    corpus: Corpus
    folder: Path
    """Of the data."""
    out: Path

    def tasks(self) -> Iterator[TrainingTask]:
        """Return the trainings of folds that lack, and the final one where it has a test part to be judged on."""
        for fold in range(self.recipe.folds):
            if not (self.out / f"fold-{fold}.npz").exists():
                yield TrainingTask(f"{self.data}, {self.entry.name}", self.recipe, self.folder, self.out, fold)
        if self.corpus.test and not (self.out / TEST_LOGITS).exists():
            yield TrainingTask(f"{self.data}, {self.entry.name}", self.recipe, self.folder, self.out, None)


def run_plan(plan: Plan, bench: BenchmarkContext) -> Iterator[BenchmarkResult]:
    """Train every line of the table and the windows that are split twice, then judge them."""
    corpus, windows = read_corpus(bench.data), bench.out / "data/windows"
    if layout_of(bench.data) == "folder":
        lines = list(_folder(plan, bench, corpus))
    else:
        lines = list(_table(plan, bench, corpus))
    grouped = corpus
    if plan.leakage:
        grouped = write_both_splits(corpus, windows)
        lines += _leakage(plan.leakage, bench, windows)
    for line in lines:
        _forget_others(line.out, fingerprint(line.recipe, line.corpus))
    if tasks := [task for line in lines for task in line.tasks()]:
        bench.train(tasks)
    for line in lines:
        done = evaluate_run(line)
        yield regroup(done, grouped) if line.data in SPLITS else done


def _folder(plan: Plan, bench: BenchmarkContext, corpus: Corpus) -> Iterator[PlannedRun]:
    own = published_fold_count(corpus)
    for entry in plan.recipes:
        recipe, name = entry.read(bench.home), entry.name.replace(" ", "-")
        recipe = recipe.model_copy(update={"folds": own or recipe.folds, "golden_clip": None})
        yield PlannedRun(entry, recipe, "folder", corpus, bench.data, bench.out / "folder" / name)


def _table(plan: Plan, bench: BenchmarkContext, frogs: Corpus) -> Iterator[PlannedRun]:
    esc10 = _esc10(bench)
    own = len({each.split for each in esc10.recordings})
    for entry in plan.recipes:
        recipe, name = entry.read(bench.home), entry.name.replace(" ", "-")
        yield PlannedRun(entry, recipe, "frogs", frogs, bench.data, bench.out / "frogs" / name)
        on_esc10 = recipe.model_copy(update={"folds": own, "golden_clip": None})
        yield PlannedRun(entry, on_esc10, "esc10", esc10, bench.out / "data/esc10", bench.out / "esc10" / name)


def _leakage(entry: PlanEntry, bench: BenchmarkContext, windows: Path) -> Iterator[PlannedRun]:
    recipe = entry.read(bench.home).model_copy(update={"golden_clip": None})
    for split in SPLITS:
        out = bench.out / split / entry.name.replace(" ", "-")
        yield PlannedRun(entry, recipe, split, read_corpus(windows / split), windows / split, out)


def evaluate_run(line: PlannedRun) -> BenchmarkResult:
    """Measure what the trainings of a line left behind."""
    done = evaluate_folder(line.out, line.recipe, line.corpus)
    write_evaluation(line.out, done.evaluation)
    cost = measure_cost(line.entry.name, line.recipe.model)
    return replace(done, name=line.entry.name, data=line.data, changes=line.entry.changes, cost=cost)


def evaluate_folder(out: Path, recipe: Recipe, corpus: Corpus) -> BenchmarkResult:
    """Measure what the folds of a recipe left in a folder; SourceError if they did not. The run has its name."""
    trial = read_predictions(out, recipe, corpus)
    return BenchmarkResult(
        name=out.name,
        data="folder",
        recipe=recipe,
        changes={},
        cost=measure_cost(out.name, recipe.model),
        trial=trial,
        evaluation=evaluate(recipe, corpus, trial, test=read_test_predictions(out, trial, corpus)),
        seconds=sum(read_cpu_seconds(out / f"log/fold-{fold}.seconds") for fold in range(recipe.folds)),
    )


def regroup(done: BenchmarkResult, grouped: Corpus) -> BenchmarkResult:
    """Return a run with the intervals of true groups, whatever the groups were that it was split by."""
    known = {each.name: each for each in grouped.recordings}
    trial = replace(done.trial, recordings=tuple(known[each.name] for each in done.trial.recordings))
    return replace(done, trial=trial, evaluation=evaluate(done.recipe, grouped, trial))


def seen_group_share(done: BenchmarkResult) -> float:
    """Return the share of a run's recordings whose group was learnt from as well."""
    folds: dict[str, set[int]] = {}
    for group, fold in zip(done.trial.groups, done.trial.fold.tolist(), strict=True):
        folds.setdefault(group, set()).add(fold)
    return float(np.mean([len(folds[group]) > 1 for group in done.trial.groups]))


def difference(better: BenchmarkResult, baseline: BenchmarkResult) -> Estimate:
    """Return by how much the tuned macro-F1 of a run exceeds another's on the same recordings, redrawn in pairs."""
    if [each.name for each in better.trial.recordings] != [each.name for each in baseline.trial.recordings]:
        raise ConfigError(f"{better.name} and {baseline.name} were tested on other recordings; compare like with like")
    redraws = Redraws(baseline.trial.groups)
    (first, first_draws), (second, second_draws) = (
        redraws.measure(_tuned_f1(each.trial)) for each in (better, baseline)
    )
    return estimate(float(mean_of(first) - mean_of(second)), mean_of(first_draws) - mean_of(second_draws))


def _tuned_f1(trial: Predictions) -> "partial[Figures]":
    return partial(
        measures.f1, decisions=apply_thresholds(trial, fit_nested_thresholds(trial)).tuned, truth=trial.truth
    )


def _forget_others(out: Path, mark: str) -> None:
    """Delete what another recipe, or the same on other data, left in a folder."""
    kept = out / "fingerprint"
    if kept.exists() and kept.read_text(encoding="utf-8") != mark:
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(mark, encoding="utf-8")


def _esc10(bench: BenchmarkContext) -> Corpus:
    """Write ESC-10 as the tables that trainings read, with the folds of its authors."""
    findings = Findings()
    clips = read_split_table(bench.data / "esc10", findings)
    findings.raise_if_errors()
    write_tables(clips, bench.out / "data/esc10")
    return read_corpus(bench.out / "data/esc10")
