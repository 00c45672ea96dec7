"""Plots of when and where the model detects species."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from anura_train.report.performance import Candidate
from anura_train.report.plot import GREY, HEATMAP, NO_DATA_COLOUR, OWN_COLOUR, Plot, new_figure, style_axes, to_plot

HOURS = 24
UNKNOWN_SITE = "site unknown"
LINES = 6
"""Number of species in the line plot: those with the most detections."""


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Detections by hour of the day, in local time, out of fold at the thresholds of the other folds."""

    sites: tuple[str, ...]
    codes: tuple[str, ...]
    detected_s: NDArray[np.float64]
    """Shape (sites, labels, HOURS)."""
    effort_s: NDArray[np.float64]
    """Shape (sites, HOURS)."""

    def share(self, detected_s: NDArray[np.float64], effort_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of the recorded time with detections; NaN without recordings, which is not silence."""
        out = np.full(np.broadcast_shapes(detected_s.shape, effort_s.shape), np.nan)
        return np.asarray(np.divide(detected_s, effort_s, out=out, where=np.broadcast_to(effort_s > 0, out.shape)))

    @property
    def by_site(self) -> NDArray[np.float64]:
        """Share of time with detections of each species, (sites, labels, HOURS)."""
        return self.share(self.detected_s, self.effort_s[:, None])

    @property
    def overall(self) -> NDArray[np.float64]:
        """Share of time with detections of each species at all sites, (labels, HOURS)."""
        return self.share(self.detected_s.sum(0), self.effort_s.sum(0))


def count_activity(own: Candidate) -> Activity | None:
    """Count detections by hour; None when no recording has a start time."""
    predictions = own.predictions
    timed = [(number, each, each.start) for number, each in enumerate(predictions.recordings) if each.start]
    if not timed:
        return None
    sites = tuple(sorted({each.site or UNKNOWN_SITE for _, each, _ in timed}))
    detected_s = np.zeros((len(sites), len(predictions.labels), HOURS))
    effort_s = np.zeros((len(sites), HOURS))
    for number, recording, start in timed:
        thresholds = own.thresholds[int(predictions.fold[number])]
        probabilities = thresholds.probabilities(predictions.frame_logits[recording.name])  # (frames, labels)
        site = sites.index(recording.site or UNKNOWN_SITE)
        for frame, detected in enumerate(probabilities >= np.array(thresholds.values)):
            hour = (start + timedelta(seconds=frame * predictions.hop_s)).hour
            detected_s[site, :, hour] += detected * predictions.hop_s
            effort_s[site, hour] += predictions.hop_s
    return Activity(sites, predictions.labels, detected_s, effort_s)


def activity_plots(activity: Activity) -> Iterator[Plot]:
    """Yield the activity at each site, at all sites, and as lines."""
    yield _sites(activity)
    yield _diel(activity)
    yield _lines(activity)


def _sites(activity: Activity) -> Plot:
    figure = new_figure(1.4 + len(activity.sites) * (0.6 + 0.16 * len(activity.codes)))
    panels = figure.subplots(len(activity.sites), 1, sharex=True, squeeze=False)[:, 0]
    top = _top(activity.by_site)
    for site, panel, share in zip(activity.sites, panels, activity.by_site, strict=True):
        image = panel.imshow(share, cmap=HEATMAP, vmin=0, vmax=top, aspect="auto", interpolation="none")
        panel.set_facecolor(NO_DATA_COLOUR)
        panel.set_yticks(range(len(activity.codes)), activity.codes, fontsize=6)
        panel.set_title(site, fontsize=9, loc="left")
    panels[-1].set(xticks=range(0, HOURS, 3), xlabel="hour, local time")
    figure.colorbar(image, ax=panels, shrink=0.6, label="share of time with detections")
    return to_plot(
        "activity-by-site",
        "Activity at each site",
        "Share of the recorded time with detections of each species. Grey: no recordings.",
        figure,
    )


def _diel(activity: Activity) -> Plot:
    figure = new_figure(2.4 + 0.22 * len(activity.codes))
    effort, axes = figure.subplots(2, 1, sharex=True, height_ratios=(0.9, 0.22 * len(activity.codes) + 0.1))
    effort.bar(range(HOURS), activity.effort_s.sum(0) / 60, color=GREY)
    effort.set_ylabel("minutes\nrecorded", fontsize=8)
    style_axes(effort)
    image = axes.imshow(
        activity.overall, cmap=HEATMAP, vmin=0, vmax=_top(activity.overall), aspect="auto", interpolation="none"
    )
    axes.set_facecolor(NO_DATA_COLOUR)
    axes.set_yticks(range(len(activity.codes)), activity.codes, fontsize=7)
    axes.set(xticks=range(0, HOURS, 3), xlabel="hour, local time")
    figure.colorbar(image, ax=axes, label="share of time with detections")
    return to_plot(
        "diel",
        "Time of day",
        "All sites together, below the recorded time: shares of few minutes are uncertain. Grey: no recordings.",
        figure,
    )


def _lines(activity: Activity) -> Plot:
    figure = new_figure(3.8)
    axes = figure.add_subplot()
    most = np.argsort(-activity.detected_s.sum((0, 2)), kind="stable")[:LINES]
    for number, label in enumerate(most):
        shade = (OWN_COLOUR, "#D55E00", "#009E73", "#CC79A7", "#E69F00", GREY)[number]
        style, mark = ("-", "--", "-.", ":", "-", "--")[number], "os^vDP"[number]
        axes.plot(activity.overall[label], style, marker=mark, markersize=5, color=shade, label=activity.codes[label])
    axes.set(
        xlim=(-0.5, HOURS - 0.5),
        xticks=range(0, HOURS, 3),
        xlabel="hour, local time",
        ylabel="share of time with detections",
    )
    axes.set_ylim(bottom=0)
    style_axes(axes)
    figure.legend(loc="outside upper left", ncols=6, frameon=False)
    return to_plot(
        "time-of-day",
        "Time of day, as lines",
        f"The {len(most)} species with the most detections. Lines have gaps where there are no recordings.",
        figure,
    )


def _top(shares: NDArray[np.float64]) -> float:
    return max(0.01, float(np.nanmax(shares)))
