"""The trainings behind the table. What is done is not done again."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from anura_edge.errors import ConfigError
from anura_train.catalogue import Entry as Cost
from anura_train.catalogue import measure
from anura_train.data import Corpus, Findings, read_corpus
from anura_train.data.folder import write_folder
from anura_train.data.split_table import read_split_table
from anura_train.evaluation import measures
from anura_train.evaluation.assess import assess
from anura_train.evaluation.choice import choose_nested, judge
from anura_train.evaluation.measures import Figures
from anura_train.evaluation.record import Evaluation, write_evaluation
from anura_train.evaluation.redraw import Estimate, Redraws, estimate, mean_of
from anura_train.evaluation.trial import Trial, read_trial
from anura_train.jobs import fingerprint
from anura_train.logs import read_seconds
from anura_train.recipe import Recipe
from anura_train.results.leakage import SPLITS, cut_twice
from anura_train.results.plan import Entry, Plan

SETS = {"frogs": "Frogs", "esc10": "ESC-10"}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A recipe on a data set: one line of the table."""

    name: str
    data: str
    """One of SETS, or one of leakage.SPLITS."""
    recipe: Recipe
    changes: dict[str, object]
    cost: Cost
    trial: Trial
    evaluation: Evaluation
    seconds: float
    """Core-seconds of training, all folds together."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how it is all done."""

    data: Path
    """Holds frogs/, background/ and esc10/."""
    out: Path
    home: Path
    """The plan's folder."""
    train: Callable[[Recipe, Path, Path, Sequence[int]], None]
    """Trains folds of a recipe on a folder of data, into another folder."""


def run_plan(plan: Plan, bench: Bench) -> Iterator[Run]:
    """Train and judge every line of the table, then the windows that are split twice."""
    frogs = read_corpus(bench.data)
    esc10 = _esc10(bench)
    for entry in plan.recipes:
        recipe = entry.read(bench.home)
        yield run(entry, recipe, "frogs", frogs, bench.data, bench)
        own = len({each.split for each in esc10.recordings})
        on_esc10 = recipe.model_copy(update={"folds": own, "golden": None})
        yield run(entry, on_esc10, "esc10", esc10, bench.out / "data/esc10", bench)
    windows = bench.out / "data/windows"
    grouped = cut_twice(frogs, windows)
    for split in SPLITS:
        recipe = plan.leakage.read(bench.home).model_copy(update={"golden": None})
        done = run(plan.leakage, recipe, split, read_corpus(windows / split), windows / split, bench)
        yield regroup(done, grouped)


def run(entry: Entry, recipe: Recipe, data: str, corpus: Corpus, folder: Path, bench: Bench) -> Run:
    """Train the folds that lack, and judge all of them."""
    out = bench.out / data / entry.name.replace(" ", "-")
    _forget_others(out, fingerprint(recipe, corpus))
    lacking = [fold for fold in range(recipe.folds) if not (out / f"fold-{fold}.npz").exists()]
    if lacking:
        bench.train(recipe, folder, out, lacking)
    trial = read_trial(out, recipe, corpus)
    evaluation = assess(recipe, corpus, trial)
    write_evaluation(out, evaluation)
    return Run(
        name=entry.name,
        data=data,
        recipe=recipe,
        changes=entry.changes,
        cost=measure(entry.name, recipe.model),
        trial=trial,
        evaluation=evaluation,
        seconds=sum(read_seconds(out / f"log/fold-{fold}.seconds") for fold in range(recipe.folds)),
    )


def regroup(done: Run, grouped: Corpus) -> Run:
    """Return a run with the intervals of true groups, whatever the groups were that it was split by."""
    known = {each.name: each for each in grouped.recordings}
    trial = replace(done.trial, recordings=tuple(known[each.name] for each in done.trial.recordings))
    return replace(done, trial=trial, evaluation=assess(done.recipe, grouped, trial))


def shared_groups(done: Run) -> float:
    """Return the share of a run's recordings whose group was learnt from as well."""
    folds: dict[str, set[int]] = {}
    for group, fold in zip(done.trial.groups, done.trial.fold.tolist(), strict=True):
        folds.setdefault(group, set()).add(fold)
    return float(np.mean([len(folds[group]) > 1 for group in done.trial.groups]))


def difference(better: Run, baseline: Run) -> Estimate:
    """Return by how much the tuned macro-F1 of a run exceeds another's on the same recordings, redrawn in pairs."""
    if [each.name for each in better.trial.recordings] != [each.name for each in baseline.trial.recordings]:
        raise ConfigError(f"{better.name} and {baseline.name} were tested on other recordings; compare like with like")
    redraws = Redraws(baseline.trial.groups)
    (first, first_draws), (second, second_draws) = (
        redraws.measure(_tuned_f1(each.trial)) for each in (better, baseline)
    )
    return estimate(float(mean_of(first) - mean_of(second)), mean_of(first_draws) - mean_of(second_draws))


def _tuned_f1(trial: Trial) -> "partial[Figures]":
    return partial(measures.f1, decisions=judge(trial, choose_nested(trial)).tuned, truth=trial.truth)


def _forget_others(out: Path, mark: str) -> None:
    """Delete what another recipe, or the same on other data, left in a folder."""
    kept = out / "fingerprint"
    if kept.exists() and kept.read_text(encoding="utf-8") != mark:
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(mark, encoding="utf-8")


def _esc10(bench: Bench) -> Corpus:
    """Write ESC-10 as the tables that trainings read, with the folds of its authors."""
    findings = Findings()
    clips = read_split_table(bench.data / "esc10", findings)
    findings.stop_at_faults()
    write_folder(clips, bench.out / "data/esc10")
    return read_corpus(bench.out / "data/esc10")
