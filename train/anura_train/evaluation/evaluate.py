"""Computes all metrics of a recipe on a data set."""

from collections.abc import Iterable, Iterator

import numpy as np

from anura_train.data import Corpus
from anura_train.evaluation.bootstrap import DRAWS
from anura_train.evaluation.event_metrics import event_metrics
from anura_train.evaluation.false_alarms import false_alarm_metrics
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.reporter import recording_metrics
from anura_train.evaluation.results import FREQUENCIES, Evaluation, LabelSummary, MetricResult
from anura_train.evaluation.thresholds import Thresholds, fit_nested_thresholds, fit_test_thresholds
from anura_train.recipe import BaseRecipe

Conditions = Iterable[tuple[str, Predictions]]
"""Names and predictions of the same recordings under other conditions, for example with noise."""


def evaluate(
    recipe: BaseRecipe,
    corpus: Corpus,
    predictions: Predictions,
    conditions: Conditions = (),
    test: Predictions | None = None,
) -> Evaluation:
    """Compute the metrics of the folds, of the folds under further conditions, and of the final model's test part."""
    labels = summarise_labels(corpus, predictions)
    thresholds = fit_nested_thresholds(predictions)
    with_species, backgrounds = predictions.with_species(), predictions.backgrounds()
    figures = [
        *recording_metrics(predictions, thresholds, labels, "as recorded"),
        *recording_metrics(with_species, thresholds, labels, "recordings with a species"),
        *_site_metrics(predictions, thresholds, labels),
        *event_metrics(predictions, thresholds, labels),
        *false_alarm_metrics(predictions, thresholds),
    ]
    for name, changed in conditions:
        figures += recording_metrics(changed, thresholds, labels, name)
    if test:
        figures += metrics_of_test_part(test, fit_test_thresholds(predictions), labels, len(corpus.species))
    return Evaluation(
        recipe=recipe.id,
        title=recipe.title,
        seed=recipe.seed,
        folds=recipe.folds,
        recordings=len(predictions.recordings),
        with_species=len(with_species.recordings),
        groups=len(set(predictions.groups)),
        background_hours=backgrounds.hours,
        species=len(corpus.species),
        test_recordings=len(test.recordings) if test else 0,
        test_with_species=len(test.with_species().recordings) if test else 0,
        test_labels=int(test.truth.any(0).sum()) if test else 0,
        draws=DRAWS,
        labels=labels,
        figures=tuple(figures),
    )


def summarise_labels(corpus: Corpus, predictions: Predictions) -> tuple[LabelSummary, ...]:
    """Return the labels with their numbers of recordings and their frequency.

    The frequency is the one that the data set's authors give, if they give it for all labels. Otherwise the third of
    the labels with the most recordings is frequent, and the third with the fewest is rare.
    """
    truth = predictions.truth
    recordings = truth.sum(0)
    groups = np.array(predictions.groups)
    published = [corpus.taxon(code).frequency for code in predictions.labels]
    rank = np.argsort(np.argsort(-recordings, kind="stable"))
    thirds = [FREQUENCIES[int(3 * each // len(rank))] for each in rank]
    by_name = {each: each for each in FREQUENCIES}
    valid = [by_name[each] for each in published if each in by_name]
    return tuple(
        LabelSummary(
            code=code,
            frequency=(valid if len(valid) == len(published) else thirds)[number],
            recordings=int(recordings[number]),
            groups=len(np.unique(groups[truth[:, number]])),
            folds=len(np.unique(predictions.fold[truth[:, number]])),
        )
        for number, code in enumerate(predictions.labels)
    )


def metrics_of_test_part(
    test: Predictions, thresholds: dict[int, Thresholds], labels: tuple[LabelSummary, ...], species: int
) -> Iterator[MetricResult]:
    """Yield the metrics of the test part, with and without recordings that have no species."""
    # In the test part it does not matter which folds contain a label.
    labels = tuple(label.model_copy(update={"folds": 0}) for label in labels)
    yield from recording_metrics(test, thresholds, labels, "test", species)
    yield from recording_metrics(test.with_species(), thresholds, labels, "test, recordings with a species", species)
    yield from _site_metrics(test, thresholds, labels, "test, ")
    yield from event_metrics(test, thresholds, labels, "test")
    yield from false_alarm_metrics(test, thresholds, "test, background")


def _site_metrics(
    predictions: Predictions, thresholds: dict[int, Thresholds], labels: tuple[LabelSummary, ...], prefix: str = ""
) -> Iterator[MetricResult]:
    """Yield the metrics of each site, where there are several.

    If folds are made of sites, they are of models that were not trained on the site.
    """
    sites = sorted({each.site for each in predictions.recordings if each.site})
    for site in sites if len(sites) > 1 else ():
        at_site = predictions.select([each.site == site for each in predictions.recordings])
        yield from recording_metrics(at_site, thresholds, labels, f"{prefix}site {site}")
