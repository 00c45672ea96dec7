"""Trains and evaluates every run of a benchmark plan. Finished trainings are not repeated."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anura_train.benchmark.leakage import SPLITS, write_both_splits
from anura_train.benchmark.plan import Plan, PlanEntry
from anura_train.benchmark.results import BenchmarkResult, evaluate_folder, regroup
from anura_train.checkpoints.final import TEST_LOGITS
from anura_train.checkpoints.resume import fingerprint
from anura_train.data import Corpus, Findings, read_corpus
from anura_train.data.folds import published_fold_count
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.esc50 import read_split_table
from anura_train.data.readers.layouts import layout_of
from anura_train.evaluation.results import write_evaluation
from anura_train.recipe import Recipe
from anura_train.training.processes import TrainingTask


@dataclass(frozen=True, slots=True)
class BenchmarkContext:
    """Folders of a benchmark, and how its trainings are run."""

    data: Path
    """Holds recordings.csv, or frogs/, background/ and esc10/."""
    out: Path
    plan_folder: Path
    train: Callable[[Sequence[TrainingTask]], None]
    """Runs trainings, in parallel where the machine can."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A recipe on a data set, to be trained and evaluated."""

    entry: PlanEntry
    recipe: Recipe
    data: str
    """A key of page.DATA_SETS, or one of leakage.SPLITS."""
    corpus: Corpus
    data_folder: Path
    out: Path

    def tasks(self) -> Iterator[TrainingTask]:
        """Yield the trainings that are missing: of folds, and the final one if the data set has a test part."""
        name = f"{self.data}, {self.entry.name}"
        for fold in range(self.recipe.folds):
            if not (self.out / f"fold-{fold}.npz").exists():
                yield TrainingTask(name, self.recipe, self.data_folder, self.out, fold)
        if self.corpus.test and not (self.out / TEST_LOGITS).exists():
            yield TrainingTask(name, self.recipe, self.data_folder, self.out, None)


def run_plan(plan: Plan, context: BenchmarkContext) -> Iterator[BenchmarkResult]:
    """Train every run of a plan, including both splits of the windows, then yield the result of each."""
    corpus, windows = read_corpus(context.data), context.out / "data/windows"
    if layout_of(context.data) == "folder":
        runs = list(_folder_runs(plan, context, corpus))
    else:
        runs = list(_frog_and_esc10_runs(plan, context, corpus))
    grouped = corpus
    if plan.leakage:
        grouped = write_both_splits(corpus, windows)
        runs += _leakage_runs(plan.leakage, context, windows)
    for run in runs:
        _delete_outdated(run.out, fingerprint(run.recipe, run.corpus))
    if tasks := [task for run in runs for task in run.tasks()]:
        context.train(tasks)
    for run in runs:
        result = evaluate_run(run)
        yield regroup(result, grouped) if run.data in SPLITS else result


def evaluate_run(run: PlannedRun) -> BenchmarkResult:
    """Evaluate the trainings of a run, and write OUT/evaluation.json."""
    result = evaluate_folder(run.out, run.recipe, run.corpus)
    write_evaluation(run.out, result.evaluation)
    return replace(result, name=run.entry.name, data=run.data, changes=run.entry.changes)


def _folder_runs(plan: Plan, context: BenchmarkContext, corpus: Corpus) -> Iterator[PlannedRun]:
    folds = published_fold_count(corpus)
    for entry in plan.recipes:
        recipe = entry.read(context.plan_folder)
        recipe = recipe.model_copy(update={"folds": folds or recipe.folds, "golden_clip": None})
        yield PlannedRun(entry, recipe, "folder", corpus, context.data, context.out / "folder" / entry.folder)


def _frog_and_esc10_runs(plan: Plan, context: BenchmarkContext, frogs: Corpus) -> Iterator[PlannedRun]:
    esc10_folder = context.out / "data/esc10"
    esc10 = _write_esc10(context.data, esc10_folder)
    folds = len({each.split for each in esc10.recordings})
    for entry in plan.recipes:
        recipe = entry.read(context.plan_folder)
        yield PlannedRun(entry, recipe, "frogs", frogs, context.data, context.out / "frogs" / entry.folder)
        on_esc10 = recipe.model_copy(update={"folds": folds, "golden_clip": None})
        yield PlannedRun(entry, on_esc10, "esc10", esc10, esc10_folder, context.out / "esc10" / entry.folder)


def _leakage_runs(entry: PlanEntry, context: BenchmarkContext, windows: Path) -> Iterator[PlannedRun]:
    recipe = entry.read(context.plan_folder).model_copy(update={"golden_clip": None})
    for split in SPLITS:
        out = context.out / split / entry.folder
        yield PlannedRun(entry, recipe, split, read_corpus(windows / split), windows / split, out)


def _write_esc10(data: Path, folder: Path) -> Corpus:
    """Write ESC-10 as the tables that trainings read, with the folds of its authors."""
    findings = Findings()
    clips = read_split_table(data / "esc10", findings)
    findings.raise_if_errors()
    write_tables(clips, folder)
    return read_corpus(folder)


def _delete_outdated(out: Path, current: str) -> None:
    """Delete the trainings in a folder if they have another fingerprint than the current one."""
    path = out / "fingerprint"
    if path.exists() and path.read_text(encoding="utf-8") != current:
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(current, encoding="utf-8")
