"""When and where species are heard, as the model hears them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from anura_train.report.performance import Candidate
from anura_train.report.plot import GREY, HEATMAP, NO_DATA_COLOUR, OWN_COLOUR, Plot, new_figure, style_axes, to_plot

HOURS = 24
NOWHERE = "site unknown"
LINES = 6
"""Species that have a line of their own: those that are heard most."""


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What was heard in which hour of the day, local time, out of fold at nested thresholds."""

    sites: tuple[str, ...]
    codes: tuple[str, ...]
    heard_s: NDArray[np.float64]
    """Shape (sites, labels, HOURS)."""
    listened_s: NDArray[np.float64]
    """Shape (sites, HOURS)."""

    def share(self, heard_s: NDArray[np.float64], listened_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return heard over listened; NaN where nobody listened, which is not silence."""
        out = np.full(np.broadcast_shapes(heard_s.shape, listened_s.shape), np.nan)
        return np.asarray(np.divide(heard_s, listened_s, out=out, where=np.broadcast_to(listened_s > 0, out.shape)))

    @property
    def by_site(self) -> NDArray[np.float64]:
        """Share of time with each species, (sites, labels, HOURS)."""
        return self.share(self.heard_s, self.listened_s[:, None])

    @property
    def overall(self) -> NDArray[np.float64]:
        """Share of time with each species at all sites, (labels, HOURS)."""
        return self.share(self.heard_s.sum(0), self.listened_s.sum(0))


def count_activity(own: Candidate) -> Activity | None:
    """Count by the hour; None when no recording says when it was made."""
    timed = [(number, each, each.start) for number, each in enumerate(own.trial.recordings) if each.start]
    if not timed:
        return None
    sites = tuple(sorted({each.site or NOWHERE for _, each, _ in timed}))
    heard_s = np.zeros((len(sites), len(own.trial.labels), HOURS))
    listened_s = np.zeros((len(sites), HOURS))
    for number, recording, start in timed:
        choice = own.choices[int(own.trial.fold[number])]
        rows = choice.probabilities(own.trial.frame_logits[recording.name]) >= np.array(choice.values)  # (rows, labels)
        site = sites.index(recording.site or NOWHERE)
        for place, row in enumerate(rows):
            hour = (start + timedelta(seconds=place * own.trial.hop_s)).hour
            heard_s[site, :, hour] += row * own.trial.hop_s
            listened_s[site, hour] += own.trial.hop_s
    return Activity(sites, own.trial.labels, heard_s, listened_s)


def activity_plots(found: Activity) -> Iterator[Plot]:
    """Yield when species are heard, at each site, at all of them, and as lines."""
    yield _sites(found)
    yield _diel(found)
    yield _lines(found)


def _sites(found: Activity) -> Plot:
    figure = new_figure(1.4 + len(found.sites) * (0.6 + 0.16 * len(found.codes)))
    panels = figure.subplots(len(found.sites), 1, sharex=True, squeeze=False)[:, 0]
    top = _top(found.by_site)
    for site, panel, share in zip(found.sites, panels, found.by_site, strict=True):
        image = panel.imshow(share, cmap=HEATMAP, vmin=0, vmax=top, aspect="auto", interpolation="none")
        panel.set_facecolor(NO_DATA_COLOUR)
        panel.set_yticks(range(len(found.codes)), found.codes, fontsize=6)
        panel.set_title(site, fontsize=9, loc="left")
    panels[-1].set(xticks=range(0, HOURS, 3), xlabel="hour, local time")
    figure.colorbar(image, ax=panels, shrink=0.6, label="share of time heard")
    return to_plot(
        "activity-by-site",
        "Activity at each site",
        "Share of the time listened in which each species was heard. Grey: nobody listened.",
        figure,
    )


def _diel(found: Activity) -> Plot:
    figure = new_figure(2.4 + 0.22 * len(found.codes))
    effort, axes = figure.subplots(2, 1, sharex=True, height_ratios=(0.9, 0.22 * len(found.codes) + 0.1))
    effort.bar(range(HOURS), found.listened_s.sum(0) / 60, color=GREY)
    effort.set_ylabel("minutes\nlistened", fontsize=8)
    style_axes(effort)
    image = axes.imshow(
        found.overall, cmap=HEATMAP, vmin=0, vmax=_top(found.overall), aspect="auto", interpolation="none"
    )
    axes.set_facecolor(NO_DATA_COLOUR)
    axes.set_yticks(range(len(found.codes)), found.codes, fontsize=7)
    axes.set(xticks=range(0, HOURS, 3), xlabel="hour, local time")
    figure.colorbar(image, ax=axes, label="share of time heard")
    return to_plot(
        "diel",
        "Time of day",
        "All sites together, below how long was listened: few minutes tell little. Grey: nobody listened, so nothing "
        "is known.",
        figure,
    )


def _lines(found: Activity) -> Plot:
    figure = new_figure(3.8)
    axes = figure.add_subplot()
    most = np.argsort(-found.heard_s.sum((0, 2)), kind="stable")[:LINES]
    for place, label in enumerate(most):
        shade = (OWN_COLOUR, "#D55E00", "#009E73", "#CC79A7", "#E69F00", GREY)[place]
        style, mark = ("-", "--", "-.", ":", "-", "--")[place], "os^vDP"[place]
        axes.plot(found.overall[label], style, marker=mark, markersize=5, color=shade, label=found.codes[label])
    axes.set(
        xlim=(-0.5, HOURS - 0.5), xticks=range(0, HOURS, 3), xlabel="hour, local time", ylabel="share of time heard"
    )
    axes.set_ylim(bottom=0)
    style_axes(axes)
    figure.legend(loc="outside upper left", ncols=6, frameon=False)
    return to_plot(
        "time-of-day",
        "Time of day, as lines",
        f"The {len(most)} species that are heard most. A line breaks where nobody listened; nothing is smoothed.",
        figure,
    )


def _top(shares: NDArray[np.float64]) -> float:
    known = shares[~np.isnan(shares)]
    return max(0.01, float(known.max()))
