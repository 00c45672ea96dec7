"""Results of benchmark runs, and how two of them differ."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from anura_edge.errors import ConfigError
from anura_train.benchmark.cost import ModelCost, measure_cost
from anura_train.data import Corpus
from anura_train.evaluation.bootstrap import Estimate, Metric, estimate, group_bootstrap
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.metrics import f1, mean_defined
from anura_train.evaluation.predictions import Predictions, read_predictions, read_test_predictions
from anura_train.evaluation.results import Evaluation
from anura_train.evaluation.thresholds import apply_thresholds, fit_nested_thresholds
from anura_train.recipe import BaseRecipe
from anura_train.training.logs import read_cpu_seconds


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkResult:
    """A recipe on a data set: one row of the table."""

    name: str
    data: str
    """A key of page.DATA_SETS, or one of leakage.SPLITS."""
    recipe: BaseRecipe
    changes: dict[str, object]
    """What the plan changes of the recipe."""
    cost: ModelCost
    predictions: Predictions
    evaluation: Evaluation
    cpu_s: float
    """CPU time of training, all folds together."""


def evaluate_folder(out: Path, recipe: BaseRecipe, corpus: Corpus) -> BenchmarkResult:
    """Evaluate the folds of a recipe in a folder; SourceError when they are missing. The folder names the result."""
    predictions = read_predictions(out, recipe, corpus)
    return BenchmarkResult(
        name=out.name,
        data="folder",
        recipe=recipe,
        changes={},
        cost=measure_cost(recipe.model),
        predictions=predictions,
        evaluation=evaluate(recipe, corpus, predictions, test=read_test_predictions(out, predictions, corpus)),
        cpu_s=sum(read_cpu_seconds(out / f"log/fold-{fold}.seconds") for fold in range(recipe.folds)),
    )


def regroup(result: BenchmarkResult, grouped: Corpus) -> BenchmarkResult:
    """Evaluate again with the groups of another corpus instead of those of the split."""
    by_name = {each.name: each for each in grouped.recordings}
    recordings = tuple(by_name[each.name] for each in result.predictions.recordings)
    predictions = replace(result.predictions, recordings=recordings)
    return replace(result, predictions=predictions, evaluation=evaluate(result.recipe, grouped, predictions))


def seen_group_share(result: BenchmarkResult) -> float:
    """Return the share of recordings whose group is in several folds, so that the model was trained on it."""
    predictions = result.predictions
    folds: dict[str, set[int]] = {}
    for group, fold in zip(predictions.groups, predictions.fold.tolist(), strict=True):
        folds.setdefault(group, set()).add(fold)
    return float(np.mean([len(folds[group]) > 1 for group in predictions.groups]))


def difference(result: BenchmarkResult, baseline: BenchmarkResult) -> Estimate:
    """Return the tuned macro-F1 of a result less that of a baseline, with a paired bootstrap interval.

    Raises ConfigError when they were tested on different recordings.
    """
    names = [[each.name for each in one.predictions.recordings] for one in (result, baseline)]
    if names[0] != names[1]:
        raise ConfigError(
            f"{result.name} and {baseline.name} were tested on different recordings; compare results of the same data"
        )
    bootstrap = group_bootstrap(baseline.predictions.groups)
    (first, first_draws), (second, second_draws) = (
        bootstrap.compute(_tuned_f1(each.predictions)) for each in (result, baseline)
    )
    return estimate(
        float(mean_defined(first) - mean_defined(second)), mean_defined(first_draws) - mean_defined(second_draws)
    )


def _tuned_f1(predictions: Predictions) -> Metric:
    scores = apply_thresholds(predictions, fit_nested_thresholds(predictions))
    return partial(f1, decisions=scores.detected, truth=predictions.truth)
