"""The page that shows the table. All of its figures come from runs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from anura_edge.errors import ConfigError
from anura_train.benchmark.leakage import SPLITS
from anura_train.benchmark.plan import Comparison
from anura_train.benchmark.runs import SETS, BenchmarkResult, difference, seen_group_share
from anura_train.evaluation.bootstrap import Estimate
from anura_train.evaluation.results import Evaluation

BEGIN, END = "<!-- begin of what `anura-train results` writes -->", "<!-- end -->"

EMPTY = f"# Every recipe on the same folds\n\n{BEGIN}\n{END}\n"


def write_page(path: Path, runs: Sequence[BenchmarkResult], pairs: Comparison | None) -> None:
    """Write the figures between two marks of a page; what people wrote around them stays.

    Raises ConfigError when the page is there without its marks.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else EMPTY
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{path} has no line {BEGIN!r} and {END!r} behind it; add them, or move the page away")
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = "\n\n".join(_sections(runs, pairs))
    path.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}", encoding="utf-8")


def comparison_table(runs: Sequence[BenchmarkResult]) -> str:
    """Return the table of runs on the same data, and by how much each differs from the first, as Markdown."""
    others = Comparison(baseline=runs[0].name, others=tuple(each.name for each in runs[1:]))
    return "\n\n".join([_about(runs[0].evaluation), results_table(runs), "\n".join(_compared(runs, others))])


def _sections(runs: Sequence[BenchmarkResult], pairs: Comparison | None) -> Iterator[str]:
    minutes = sum(each.seconds for each in runs) / 60
    yield (
        f"Trained in {minutes:.0f} core-minutes on a machine of {os.cpu_count()} cores with torch {torch.__version__}, "
        "one core a training, by `make results`. Every figure is [out of fold](../reference/metrics.md), with its 95 % "
        "interval from redrawn groups; thresholds and calibration of each fold come from the others. Parameters and "
        "multiply-adds (MMAC / s) are counted for 42 species. Core-seconds are of training, all folds together."
    )
    for data, title in SETS.items():
        lines = [each for each in runs if each.data == data]
        if lines:
            yield f"## {title}"
            yield _about(lines[0].evaluation)
            yield results_table(lines)
            if lines[0].evaluation.test_recordings:
                yield _about_test(lines[0].evaluation)
                yield _test_table(lines)
            if pairs and data != "esc10":
                yield "\n".join(_compared(lines, pairs))
    yield "## Budgets"
    yield "What was laid over each recipe so that all of it takes so little time; seeds are the recipes'."
    yield "\n".join(["| recipe | changes |", "|---|---|", *dict.fromkeys(_budget(each) for each in runs)])
    split = {each.data: each for each in runs if each.data in SPLITS}
    if split:
        yield "## Windows split at random"
        yield "\n\n".join(_leakage(split))


def _about(evaluation: Evaluation) -> str:
    return (
        f"{evaluation.recordings} recordings of {evaluation.groups} groups, {evaluation.with_species} with one of "
        f"{len(evaluation.labels)} labels; {evaluation.folds} folds that share no group."
    )


def results_table(runs: Sequence[BenchmarkResult]) -> str:
    """Return a line of figures for each run, as Markdown."""
    lines = [
        "| recipe | macro-F1, tuned | macro-F1 at 0.5 | mAP | parameters | MMAC / s | core-s |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for each in runs:
        figures = (format_metric(each.evaluation, name) for name in ("macro-F1 tuned", "macro-F1 at 0.5", "mAP"))
        cost = f"{each.cost.parameters:,} | {each.cost.mmac_per_s:,.0f} | {each.seconds:,.0f}"
        lines.append(f"| {each.name} | {' | '.join(figures)} | {cost} |")
    return "\n".join(lines)


def _about_test(evaluation: Evaluation) -> str:
    return (
        f"On the authors' test part, which nothing was chosen on: {evaluation.test_recordings:,} recordings, "
        f"{evaluation.test_with_species:,} with a species. {evaluation.test_labels} of {evaluation.species} species "
        "are both learnt and tested; a mean over all of them counts the others as 0. One seed, the final model; tuned: "
        "thresholds and calibration from the folds."
    )


def _test_table(runs: Sequence[BenchmarkResult]) -> str:
    one = runs[0].evaluation
    columns = [
        (f"macro-F1 at 0.5, {one.species} species", "macro-F1 uncalibrated, at 0.5", "every species", "test"),
        (f"macro-F1 at 0.5, {one.test_labels}", "macro-F1 uncalibrated, at 0.5", "all", "test"),
        (f"macro-F1 tuned, {one.test_labels}", "macro-F1 tuned", "all", "test"),
        (f"the same without empty ones, {one.test_labels}", "macro-F1 tuned", "all", "test, recordings with a species"),
        (f"mAP, {one.test_labels}", "mAP", "all", "test"),
    ]
    lines = [f"| recipe | {' | '.join(name for name, *_ in columns)} |", "|---|" + "--:|" * len(columns)]
    for each in runs:
        figures = (format_metric(each.evaluation, measure, of, condition) for _, measure, of, condition in columns)
        lines.append(f"| {each.name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _compared(runs: Sequence[BenchmarkResult], pairs: Comparison) -> Iterator[str]:
    by_name = {each.name: each for each in runs}
    for name in pairs.others:
        found = difference(by_name[name], by_name[pairs.baseline])
        yield f"- `{name}` against `{pairs.baseline}`, tuned macro-F1 on the same recordings: {_signed(found)}."


def _budget(done: BenchmarkResult) -> str:
    changes = ", ".join(f"`{key}: {value}`" for key, value in done.changes.items())
    return f"| {done.name} | {changes or 'none'} |".replace("None", "null")


def _leakage(split: dict[str, BenchmarkResult]) -> Iterator[str]:
    one = next(iter(split.values()))
    yield (
        f"The same {one.evaluation.recordings:,} windows of 3 s, a second apart, the same model (`{one.name}`), seed, "
        f"budget and {one.evaluation.folds} folds; only how windows are dealt to folds differs."
    )
    lines = [
        "| split | windows whose group was learnt from | micro-F1 at 0.5 | macro-F1 at 0.5 | mAP |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, done in split.items():
        names = ("micro-F1 uncalibrated, at 0.5", "macro-F1 uncalibrated, at 0.5", "mAP")
        figures = " | ".join(format_metric(done.evaluation, each) for each in names)
        lines.append(f"| {name} | {100 * seen_group_share(done):.0f} % | {figures} |")
    yield "\n".join(lines)


def format_metric(evaluation: Evaluation, measure: str, of: str = "all", condition: str = "as recorded") -> str:
    """Return a figure with its interval; a dash where it is not defined."""
    figure = evaluation.figure(measure, of, condition)
    if figure is None or figure.value is None:
        return "–"  # noqa: RUF001
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def _signed(found: Estimate) -> str:
    low, high = (f"{100 * each:+.0f}" if each is not None else "?" for each in (found.low, found.high))
    return f"{100 * (found.value or 0.0):+.0f} points ({low} to {high})"
