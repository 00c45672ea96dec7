"""Writes the Markdown page with the tables of benchmark results."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from anura_edge.errors import ConfigError
from anura_train.benchmark.leakage import SPLITS
from anura_train.benchmark.plan import Comparison
from anura_train.benchmark.results import BenchmarkResult, difference, seen_group_share
from anura_train.evaluation.bootstrap import Estimate
from anura_train.evaluation.results import Evaluation

DATA_SETS = {"frogs": "Frogs", "esc10": "ESC-10", "folder": "The data"}

BEGIN, END = "<!-- begin: written by `anura-train benchmark` -->", "<!-- end -->"

EMPTY = f"# Every recipe on the same folds\n\n{BEGIN}\n{END}\n"


def write_page(path: Path, results: Sequence[BenchmarkResult], pairs: Comparison | None) -> None:
    """Write the tables between two comments of a page; the text around them stays.

    Raises ConfigError when the page exists without the comments.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else EMPTY
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{path} has no line {BEGIN!r} followed by {END!r}; add them, or move the page away")
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = "\n\n".join(_sections(results, pairs))
    path.write_text(f"{before}{BEGIN}\n\n{sections}\n\n{END}{after}", encoding="utf-8")


def comparison_table(results: Sequence[BenchmarkResult]) -> str:
    """Return the table of results on the same data, and how each differs from the first, as Markdown."""
    pairs = Comparison(baseline=results[0].name, others=tuple(each.name for each in results[1:]))
    return "\n\n".join([_about(results[0].evaluation), results_table(results), "\n".join(_compared(results, pairs))])


def _sections(results: Sequence[BenchmarkResult], pairs: Comparison | None) -> Iterator[str]:
    minutes = sum(each.cpu_s for each in results) / 60
    yield (
        f"Trained in {minutes:.0f} core-minutes on {os.cpu_count()} cores with torch {torch.__version__}, one core for "
        "each training, by `make results`. All values are [out of fold](../reference/metrics.md), with 95 % intervals "
        "from a bootstrap of groups. The thresholds and the calibration of each fold come from the other folds. "
        "Parameters and multiply-adds (MMAC / s) are counted for 42 species. The core-seconds are those of training, "
        "all folds together."
    )
    for data, title in DATA_SETS.items():
        if rows := [each for each in results if each.data == data]:
            yield f"## {title}"
            yield from _data_set(rows, pairs if data != "esc10" else None)
    yield "## Budgets"
    yield "The changes to each recipe that keep the whole benchmark short. Seeds are those of the recipes."
    yield "\n".join(["| recipe | changes |", "|---|---|", *dict.fromkeys(_budget(each) for each in results)])
    if splits := {each.data: each for each in results if each.data in SPLITS}:
        yield "## Windows split at random"
        yield "\n\n".join(_leakage(splits))


def _data_set(results: Sequence[BenchmarkResult], pairs: Comparison | None) -> Iterator[str]:
    evaluation = results[0].evaluation
    yield _about(evaluation)
    yield results_table(results)
    if evaluation.test_recordings:
        yield _about_test(evaluation)
        yield _test_table(results)
    if pairs:
        yield "\n".join(_compared(results, pairs))


def _about(evaluation: Evaluation) -> str:
    return (
        f"{evaluation.recordings} recordings of {evaluation.groups} groups, {evaluation.with_species} with one of "
        f"{len(evaluation.labels)} labels; {evaluation.folds} folds that share no group."
    )


def results_table(results: Sequence[BenchmarkResult]) -> str:
    """Return a table with one row for each result, as Markdown."""
    lines = [
        "| recipe | macro-F1, tuned | macro-F1 at 0.5 | mAP | parameters | MMAC / s | core-s |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in results:
        values = (format_metric(each.evaluation, name) for name in ("macro-F1 tuned", "macro-F1 at 0.5", "mAP"))
        cost = f"{each.cost.parameters:,} | {each.cost.mmac_per_s:,.0f} | {each.cpu_s:,.0f}"
        lines.append(f"| {each.name} | {' | '.join(values)} | {cost} |")
    return "\n".join(lines)


def _about_test(evaluation: Evaluation) -> str:
    return (
        f"The authors' test part, used for no choice: {evaluation.test_recordings:,} recordings, "
        f"{evaluation.test_with_species:,} with a species. {evaluation.test_labels} of {evaluation.species} species "
        "are both learnt and tested; a mean over all species counts the others as 0. One seed, the final model. Tuned: "
        "with thresholds and calibration from the folds."
    )


def _test_table(results: Sequence[BenchmarkResult]) -> str:
    one = results[0].evaluation
    columns = [
        (f"macro-F1 at 0.5, {one.species} species", "macro-F1 uncalibrated, at 0.5", "every species", "test"),
        (f"macro-F1 at 0.5, {one.test_labels}", "macro-F1 uncalibrated, at 0.5", "all", "test"),
        (f"macro-F1 tuned, {one.test_labels}", "macro-F1 tuned", "all", "test"),
        (
            f"the same, recordings with a species, {one.test_labels}",
            "macro-F1 tuned",
            "all",
            "test, recordings with a species",
        ),
        (f"mAP, {one.test_labels}", "mAP", "all", "test"),
    ]
    lines = [f"| recipe | {' | '.join(name for name, *_ in columns)} |", "|---|" + "--:|" * len(columns)]
    for each in results:
        values = (format_metric(each.evaluation, measure, of, condition) for _, measure, of, condition in columns)
        lines.append(f"| {each.name} | {' | '.join(values)} |")
    return "\n".join(lines)


def _compared(results: Sequence[BenchmarkResult], pairs: Comparison) -> Iterator[str]:
    by_name = {each.name: each for each in results}
    for name in pairs.others:
        points = _format_difference(difference(by_name[name], by_name[pairs.baseline]))
        yield f"- `{name}` against `{pairs.baseline}`, tuned macro-F1 on the same recordings: {points}."


def _budget(result: BenchmarkResult) -> str:
    changes = ", ".join(f"`{key}: {value}`" for key, value in result.changes.items())
    return f"| {result.name} | {changes or 'none'} |".replace("None", "null")


def _leakage(splits: dict[str, BenchmarkResult]) -> Iterator[str]:
    one = next(iter(splits.values()))
    yield (
        f"The same {one.evaluation.recordings:,} windows of 3 s with a hop of 1 s, the same model (`{one.name}`), seed "
        f"and budget, {one.evaluation.folds} folds. Only the split of the windows differs."
    )
    lines = [
        "| split | windows whose group was learnt from | micro-F1 at 0.5 | macro-F1 at 0.5 | mAP |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, result in splits.items():
        measures = ("micro-F1 uncalibrated, at 0.5", "macro-F1 uncalibrated, at 0.5", "mAP")
        values = " | ".join(format_metric(result.evaluation, each) for each in measures)
        lines.append(f"| {name} | {100 * seen_group_share(result):.0f} % | {values} |")
    yield "\n".join(lines)


def format_metric(evaluation: Evaluation, measure: str, of: str = "all", condition: str = "as recorded") -> str:
    """Return a metric with its interval as text; a dash where it is not defined."""
    found = evaluation.find(measure, of, condition)
    if found is None or found.value is None:
        return "–"  # noqa: RUF001
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


def _format_difference(estimated: Estimate) -> str:
    points = (estimated.value, estimated.low, estimated.high)
    value, low, high = ("?" if math.isnan(each) else f"{100 * each:+.0f}" for each in points)
    return f"{value} points ({low} to {high})"
