"""Plots of how well species are detected and told apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import ECE_BINS, Truth
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import Evaluation
from anura_train.evaluation.thresholds import (
    THRESHOLD_GRID,
    CalibratedScores,
    Thresholds,
    apply_thresholds,
    f1_curve,
    fit_nested_thresholds,
)
from anura_train.report.plot import GREY, HEATMAP, OTHER_COLOUR, OWN_COLOUR, Plot, new_figure, style_axes, to_plot

F1 = "F1 tuned"
MARKS = {"frequent": "o", "common": "s", "rare": "^"}

MAX_WIDTH_IN = 9.0
ROUND_NUMBERS = tuple(factor * 10**power for power in range(6) for factor in (1, 2, 5))
MAX_NUMBERED_LABELS = 24
"""With more labels, a confusion matrix has no room for numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A model with its evaluation and its out-of-fold scores."""

    evaluation: Evaluation
    predictions: Predictions
    thresholds: dict[int, Thresholds]
    """Of each fold, from the other folds."""
    scores: CalibratedScores
    colour: str

    @property
    def title(self) -> str:
        """Return the title of its recipe."""
        return self.evaluation.title

    def f1(self, code: str) -> float | None:
        """Return the tuned F1 of a species; None where it is not defined."""
        figure = self.evaluation.find(F1, code)
        return figure.value if figure else None


def make_candidate(evaluation: Evaluation, predictions: Predictions, colour: str) -> Candidate:
    """Calibrate and decide as in the evaluation."""
    thresholds = fit_nested_thresholds(predictions)
    return Candidate(evaluation, predictions, thresholds, apply_thresholds(predictions, thresholds), colour)


def performance_plots(candidates: Sequence[Candidate]) -> Iterator[Plot]:
    """Yield the plots; those that show one model show the first."""
    own = candidates[0]
    yield _by_frequency(candidates)
    yield _strip(candidates)
    yield _confusion(own)
    yield _reliability(own)
    yield _thresholds(own)


def _by_frequency(candidates: Sequence[Candidate]) -> Plot:
    figure = new_figure(4.8)
    axes = figure.add_subplot()
    for position, each in enumerate(candidates):
        side = (position - (len(candidates) - 1) / 2) * 0.06
        for number, label in enumerate(each.evaluation.labels):
            found = each.evaluation.find(F1, label.code)
            if found is None or found.value is None:
                continue
            # Moved, because species with equal numbers of recordings would hide each other.
            x = label.recordings * (1 + side + 0.02 * (number % 5 - 2))
            if found.low is not None and found.high is not None:
                axes.plot([x, x], [found.low, found.high], color=each.colour, linewidth=0.8, alpha=0.5)
            axes.plot(x, found.value, "o^"[position], color=each.colour, markersize=6)
            if position == 0:
                axes.annotate(
                    label.code,
                    (x, found.value),
                    xytext=(4, 4 - 11 * (number % 2)),
                    textcoords="offset points",
                    fontsize=6.5,
                )
        axes.plot([], [], "o^"[position], color=each.colour, label=each.title)
    axes.set(xscale="log", ylim=(-0.03, 1.05), xlabel="recordings with the species", ylabel="F1")
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ROUND_NUMBERS if low <= tick <= high], minor=False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    style_axes(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return to_plot(
        "f1-by-frequency",
        "Class imbalance and performance",
        "F1 of each species at the thresholds of the other folds, by its number of recordings, with 95 % intervals. "
        "Points are moved a little sideways so that none hides another.",
        figure,
    )


def _strip(candidates: Sequence[Candidate]) -> Plot:
    figure = new_figure(1.6 + 0.9 * len(candidates))
    axes = figure.add_subplot()
    rng = np.random.default_rng(0)
    for position, each in enumerate(candidates):
        found = [(label, f1) for label in each.evaluation.labels if (f1 := each.f1(label.code)) is not None]
        for frequency, mark in MARKS.items():
            values = [value for label, value in found if label.frequency == frequency]
            y = position + rng.uniform(-0.22, 0.22, len(values))
            axes.plot(values, y, mark, color=each.colour, markersize=7, alpha=0.75, markeredgecolor="white")
        middle = float(np.median([value for _, value in found])) if found else np.nan
        axes.plot([middle, middle], [position - 0.35, position + 0.35], color="black", linewidth=1.5)
    for frequency, mark in MARKS.items():
        axes.plot([], [], mark, color=GREY, label=frequency, linestyle="none")
    axes.plot([], [], color="black", label="median")
    axes.set(xlim=(-0.03, 1.03), ylim=(len(candidates) - 0.4, -0.6), xlabel="F1")
    axes.set_yticks(range(len(candidates)), [each.title for each in candidates])
    style_axes(axes)
    figure.legend(loc="outside upper left", ncols=4, frameon=False)
    return to_plot(
        "f1-strip",
        "F1 of every species",
        "Each mark is a species. Its shape shows how frequent the species is; its height has no meaning.",
        figure,
    )


def _confusion(own: Candidate) -> Plot:
    codes = [label.code for label in own.evaluation.labels]
    shares = confusion(own.scores.detected, own.predictions.truth)
    size = max(4.0, min(MAX_WIDTH_IN, 1.6 + 0.3 * len(codes)))
    figure = new_figure(size)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap=HEATMAP, vmin=0, vmax=1)
    axes.set_xticks(range(len(codes)), codes, rotation=90, fontsize=7)
    axes.set_yticks(range(len(codes)), codes, fontsize=7)
    axes.set(xlabel="detected", ylabel="in the recording")
    if len(codes) <= MAX_NUMBERED_LABELS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                tone = "white" if share > 0.55 else "black"
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=tone)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of recordings")
    return to_plot(
        "confusion",
        "Confusions",
        "Share of the recordings with the species of a row (numbers in percent) in which the species of a column was "
        "detected. Off the diagonal, recordings that contain the species of the column do not count.",
        figure,
    )


def confusion(detected: Truth, truth: Truth) -> FloatArray:
    """Return the share of the recordings with one label in which another, absent label was detected.

    Both arrays are (recordings, labels). The result is (labels, labels); its diagonal is the share that was found.
    """
    shares = np.zeros((truth.shape[1], truth.shape[1]), np.float32)
    for label in range(truth.shape[1]):
        present = truth[:, label]
        wrong = detected[present] & ~truth[present]
        shares[label] = wrong.sum(0) / max(1, present.sum())
        shares[label, label] = detected[present, label].sum() / max(1, present.sum())
    return shares


def _reliability(own: Candidate) -> Plot:
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    for name, probabilities, colour, mark in (
        ("before", own.scores.raw, OTHER_COLOUR, "^--"),
        ("after", own.scores.calibrated, OWN_COLOUR, "o-"),
    ):
        mean, true, count = reliability(probabilities, own.predictions.truth)
        error = own.evaluation.find(f"ECE {name} calibration")
        ece = f", mean ECE of species {error.value:.3f}" if error and error.value is not None else ""
        axes.plot(mean, true, mark, color=colour, label=f"{name} calibration{ece}", zorder=2)
        for x, y, number in zip(mean, true, count, strict=True):
            axes.annotate(f"{number:,}", (x, y), xytext=(5, -9), textcoords="offset points", fontsize=6.5, color=colour)
    axes.set(xlim=(-0.02, 1.04), ylim=(-0.06, 1.04), xlabel="probability", ylabel="share that is true")
    style_axes(axes)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return to_plot(
        "reliability",
        "Reliability",
        "How often a species is present at a given probability, all species together. The number next to a point is "
        "its number of decisions. On the dotted line, probabilities are right.",
        figure,
    )


def reliability(probabilities: FloatArray, truth: Truth) -> tuple[FloatArray, FloatArray, list[int]]:
    """Return the mean probability, the share that is true and the number of decisions of each bin with decisions."""
    bins = np.minimum((probabilities * ECE_BINS).astype(int), ECE_BINS - 1)
    filled = [each for each in range(ECE_BINS) if (bins == each).any()]
    mean = np.array([probabilities[bins == each].mean() for each in filled], np.float32)
    true = np.array([truth[bins == each].mean() for each in filled], np.float32)
    return mean, true, [int((bins == each).sum()) for each in filled]


def _thresholds(own: Candidate) -> Plot:
    columns = 6
    rows = -(-len(own.predictions.labels) // columns)
    figure = new_figure(0.9 + 1.25 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for panel in panels:
        panel.set_axis_off()
    truth = own.predictions.truth
    for number, (code, panel) in enumerate(zip(own.predictions.labels, figure.axes, strict=False)):
        panel.set_axis_on()
        panel.plot(THRESHOLD_GRID, f1_curve(own.scores.calibrated[:, number], truth[:, number]), color=OWN_COLOUR)
        for fold in own.thresholds.values():
            panel.axvline(fold.values[number], color=OTHER_COLOUR, linewidth=0.8, linestyle="--")
        panel.set_title(code, fontsize=8)
        panel.set(xscale="log", xlim=(0.001, 1), ylim=(0, 1.03), yticks=(0, 0.5, 1))
        panel.set_xticks((0.001, 0.01, 0.1, 1), ("0.001", "0.01", "0.1", "1"))
        panel.minorticks_off()
        panel.tick_params(labelsize=7)
        style_axes(panel)
    figure.supxlabel("threshold of the calibrated probability", fontsize=9)
    figure.supylabel("F1", fontsize=9)
    return to_plot(
        "thresholds",
        "F1 and thresholds",
        "F1 of each species at every threshold. Dashed: the thresholds for each fold, chosen on the other folds.",
        figure,
    )
