"""Writes the report as one HTML page that contains its plots, style and script and loads nothing."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

import numpy as np

from anura_train.evaluation.results import Evaluation, MetricResult
from anura_train.report.activity import HOURS, Activity, activity_plots, count_activity
from anura_train.report.performance import Candidate, performance_plots
from anura_train.report.plot import Plot

HERE = Path(__file__).parent
PAGE = "index.html"
SHADES = 8
"""Number of shades in the table of activity."""

SUMMARY = (
    "macro-F1 tuned",
    "macro-F1 at 0.5",
    "macro-F1 uncalibrated, at 0.5",
    "micro-F1 tuned",
    "mAP",
    "AUROC",
    "accuracy",
    "ECE before calibration",
    "ECE after calibration",
    "1-s segment macro-F1 tuned",
    "PSDS",
)
TEST_SUMMARY = (
    ("macro-F1 tuned", "all"),
    ("macro-F1 uncalibrated, at 0.5", "all"),
    ("macro-F1 uncalibrated, at 0.5", "every species"),
    ("mAP", "all"),
)
CONDITIONS = ("macro-F1 tuned", "macro-F1 at 0.5", "mAP", "AUROC")


def write_report(out: Path, candidates: Sequence[Candidate], plots: Sequence[Plot]) -> Path:
    """Write OUT/index.html and every plot as OUT/NAME.png; return the path of the page."""
    out.mkdir(parents=True, exist_ok=True)
    activity = count_activity(candidates[0])
    shown = [*performance_plots(candidates), *plots, *(activity_plots(activity) if activity else ())]
    for plot in shown:
        (out / f"{plot.name}.png").write_bytes(plot.png)
    (out / PAGE).write_text("\n".join(_page(candidates, shown, activity)), encoding="utf-8")
    return out / PAGE


def _page(candidates: Sequence[Candidate], plots: Sequence[Plot], activity: Activity | None) -> Iterator[str]:
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    own = candidates[0].evaluation
    # Names of species or sites in a data set cannot add styles or scripts: only these two are allowed.
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(own.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{escape(own.title)}</h1>"
    yield f"<p>{_about(own)}</p>"
    yield from _summary(candidates)
    yield from _conditions(own)
    yield from _species(own)
    for plot in plots:
        yield _plot(plot)
    yield from _activity(activity)
    yield f"</main>\n<script>{script}</script>\n</body>\n</html>"


def _about(own: Evaluation) -> str:
    return (
        f"{own.recordings:,} recordings of {own.groups:,} groups, {own.with_species:,} of them with one of "
        f"{len(own.labels)} species; {own.folds} folds that share no group; {own.background_hours:.2f} hours without a "
        "species. All values are out of fold, of the whole data set together; the calibration and the thresholds of a "
        f"fold come from the other folds. {_about_test(own)}The 95 % intervals come from {own.draws:,} bootstrap draws "
        "of groups; those of false alarms are Poisson intervals."
    )


def _about_test(own: Evaluation) -> str:
    if not own.test_recordings:
        return ""
    return (
        f"The test part is {own.test_recordings:,} recordings that the authors set aside, {own.test_with_species:,} of "
        f"them with a species. The final model is tested there, with thresholds from all folds; {own.test_labels} of "
        f"{own.species} species are both learnt and tested, and a mean over every species counts the others as 0. "
    )


def _summary(candidates: Sequence[Candidate]) -> Iterator[str]:
    yield "<h2>Metrics</h2>\n<table>\n<thead><tr><th></th>"
    yield "".join(f'<th scope="col">{escape(each.title)}</th>' for each in candidates) + "</tr></thead>\n<tbody>"
    wanted = [(measure, "all", "as recorded") for measure in SUMMARY]
    wanted += [("macro-F1 tuned", each, "as recorded") for each in ("frequent", "common", "rare")]
    wanted += [(f"false alarms an hour {how}", "all", "background") for how in ("at 0.5", "tuned")]
    wanted += [(measure, of, "test") for measure, of in TEST_SUMMARY]
    for measure, of, condition in wanted:
        values = [each.evaluation.find(measure, of, condition) for each in candidates]
        if any(values):
            name = measure if of == "all" else f"{measure}, {of.removesuffix(' species')} species"
            name += ", test part" if condition == "test" else ""
            yield _row(name, values)
    yield "</tbody>\n</table>"


def _conditions(own: Evaluation) -> Iterator[str]:
    named = dict.fromkeys(figure.condition for figure in own.figures)
    conditions = [each for each in named if not each.endswith("background")]
    yield "<h2>Conditions and sites</h2>\n<table>\n<thead><tr><th></th>"
    yield "".join(f'<th scope="col">{each}</th>' for each in CONDITIONS) + "</tr></thead>\n<tbody>"
    for condition in conditions:
        yield _row(condition, [own.find(measure, "all", condition) for measure in CONDITIONS])
    yield "</tbody>\n</table>"
    if "first 30 s" not in conditions:
        yield "<p>For noise, rain and other recorders: <code>anura-train evaluate --robustness</code>.</p>"


def _species(own: Evaluation) -> Iterator[str]:
    yield "<h2>Species</h2>\n<table>\n<thead><tr><th></th>"
    yield '<th scope="col">frequency</th><th scope="col">recordings</th><th scope="col">groups</th>'
    yield '<th scope="col">F1 tuned</th><th scope="col">average precision</th></tr></thead>\n<tbody>'
    for label in own.labels:
        counts = f"<td>{label.frequency}</td><td>{label.recordings:,}</td><td>{label.groups:,}</td>"
        values = "".join(
            f"<td>{_format(own.find(name, label.code))}</td>" for name in ("F1 tuned", "average precision")
        )
        yield f'<tr><th scope="row">{escape(label.code)}</th>{counts}{values}</tr>'
    yield "</tbody>\n</table>"


def _plot(plot: Plot) -> str:
    source = b64encode(plot.png).decode("ascii")
    return (
        f'<section>\n<h2>{escape(plot.title)}</h2>\n<figure><img alt="{escape(plot.title)}" '
        f'src="data:image/png;base64,{source}">\n<figcaption>{escape(plot.caption)}</figcaption></figure>\n</section>'
    )


def _activity(activity: Activity | None) -> Iterator[str]:
    yield "<section>\n<h2>Activity by site and species</h2>"
    if not activity:
        yield "<p>No recording has a start time, so the activity by time of day is unknown.</p>\n</section>"
        return
    yield "<p>Percent of the recorded time with detections of a species; empty where there are no recordings.</p>"
    for name, values in (("site", activity.sites), ("species", activity.codes)):
        options = "".join(f'<option value="{escape(each)}">{escape(each)}</option>' for each in values)
        yield f'<label>{name} <select data-filter="{name}"><option value="">all</option>{options}</select></label>'
    yield '<table class="activity">\n<thead><tr><th scope="col">site</th><th scope="col">species</th>'
    yield "".join(f'<th scope="col">{hour}</th>' for hour in range(HOURS)) + "</tr></thead>\n<tbody>"
    shares = activity.by_site
    top = max(0.01, float(np.nan_to_num(shares).max()))
    for (site, label), hours in zip(np.ndindex(shares.shape[:2]), shares.reshape(-1, HOURS), strict=True):
        name, code = escape(activity.sites[site]), escape(activity.codes[label])
        cells = "".join(_cell(share, top) for share in hours.tolist())
        yield f'<tr data-site="{name}" data-species="{code}"><th>{name}</th><th scope="row">{code}</th>{cells}</tr>'
    yield "</tbody>\n</table>\n</section>"


def _cell(share: float, top: float) -> str:
    if np.isnan(share):
        return "<td></td>"
    return f'<td class="h{round(share / top * SHADES)}">{100 * share:.0f}</td>'


def _row(name: str, values: Sequence[MetricResult | None]) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th>' + "".join(f"<td>{_format(each)}</td>" for each in values) + "</tr>"
    )


def _format(result: MetricResult | None) -> str:
    if result is None or result.value is None:
        return ""
    if result.low is None or result.high is None:
        return f"{result.value:.2f}"
    return f"{result.value:.2f} <small>{result.low:.2f} to {result.high:.2f}</small>"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}'"
