"""Writes a model card (Mitchell et al. 2019): labels, performance, training data and limits of a model; and credits."""

from collections.abc import Iterable

from anura_edge.inference.bundle import CARD, CREDITS
from anura_edge.inference.manifest import Cost, Manifest, Metric
from anura_train.checkpoints.provenance import Provenance
from anura_train.evaluation.shipped import ShippedReport

LIMITS = """\
- The training data is half an hour of recordings, most of them made with a phone near a frog. A recorder in the field
  is farther away and records many frogs at the same time; expect fewer detections than these figures show.
- Each recording is labelled with one species. Detections of other species in its background count as wrong although
  they may be right.
- A species has two to ten recordings: the intervals are wide, and the figures of a species with two recordings mean
  little.
- Frogs of other regions, and species that are not in the table, are detected as one of these species or not at all.
- A score is the probability that a label occurs anywhere in a recording like those of the calibration. It is not the
  probability of a single call.
"""


def documents(provenance: Provenance, report: ShippedReport) -> dict[str, str]:
    """Return the model card and the credits as Markdown, by file name."""
    lines = "\n".join(f"- {line}" for line in provenance.credits)
    return {
        CARD: _model_card(provenance, report),
        CREDITS: f"# Credits of the training recordings\n\n{lines}\n",
    }


def _model_card(provenance: Provenance, report: ShippedReport) -> str:
    recipe = provenance.recipe
    sections = [
        f"# {recipe.title}\n\n`{recipe.id}` {recipe.version}, licence {provenance.licence}: {_reason(provenance)} "
        "Trained by anura-edge; not validated in the field.",
        "## Labels\n\n" + "\n".join(_species_table(provenance, report)),
        "A recording counts as *found* when an event of its species begins in it, and as *wrong* when an event of a "
        "species begins in a recording of another. *AP* is average precision. All figures are out of fold: no "
        "model was trained on the recordings that it is tested on, or on others of their group, and thresholds are "
        "those of the other folds. A label is *reliable* if it was found in at least two groups and three of "
        "four of its detections were right; pages show events of other labels, and alerts leave them out.",
        "## Performance\n\n" + "\n".join(_metric_table(report)),
        "## Training data\n\n" + "\n".join(_sources(provenance)),
        "## Limits\n\n" + LIMITS.rstrip(),
        f"## Golden clip\n\n{provenance.golden_credit}",
        "## Credits\n\n" + "\n".join(_credits(provenance)),
    ]
    return "\n\n".join(sections) + "\n"


def _reason(provenance: Provenance) -> str:
    """Return why the model has its licence."""
    if provenance.frozen:
        return "it is made from BirdNET's weights, which have it."
    return "some training recordings have it."


def _sources(provenance: Provenance) -> Iterable[str]:
    yield from (f"- {line}" for line in provenance.data)
    if provenance.teachers:
        yield f"- the scores of other models on the same recordings: {', '.join(provenance.teachers)}"


def _credits(provenance: Provenance) -> Iterable[str]:
    if provenance.frozen:
        yield f"- {provenance.frozen}"
    yield f"- the makers of the training recordings, with their licences: [{CREDITS}]({CREDITS})"


def exported_section(manifest: Manifest) -> str:
    """Return the section about a float graph: its parity with torch, and its cost."""
    parity, cost = manifest.parity, manifest.cost
    lines = ["## The exported model"]
    if parity:
        lines.append(
            f"On {parity.audio}, probabilities in ONNX Runtime and in {parity.against} differ by at most "
            f"{parity.overall.largest:.1g}, 99 % of them by at most {parity.overall.p99:.1g}."
        )
    if cost:
        lines.append(_cost_line(manifest.precision, cost))
    return "\n\n".join(lines) + "\n"


def int8_section(manifest: Manifest, float_cost: Cost, verdict: Iterable[str]) -> str:
    """Return the section about an int8 graph: changes of the scores, cost, and which bundle to use."""
    lines = ["## The int8 model", "\n".join(f"- {line}" for line in verdict)]
    lines.append(
        "Convolutions and matrix products between the first and the last layer use 8-bit integers; front end, first "
        "and last layer, depthwise convolutions and recurrent layers are float. All figures above were measured on the "
        "float model."
    )
    if cost := manifest.cost:
        lines.append(f"{_cost_line('float32', float_cost)}\n{_cost_line(manifest.precision, cost)}")
    if parity := manifest.parity:
        rows = [
            f"| {code} | {change.largest:.3f} | {change.p99:.3f} |"
            for code, change in [("all", parity.overall), *parity.labels.items()]
        ]
        lines.append(f"Change of probabilities relative to the float model, on {parity.audio}:")
        lines.append("\n".join(["| code | largest | 99 % below |", "|---|--:|--:|", *rows]))
    return "\n\n".join(lines) + "\n"


def _cost_line(precision: str, cost: Cost) -> str:
    return (
        f"- {precision}: {cost.ms_per_audio_s:.2f} ms for a second of audio on one thread ({cost.machine}), "
        f"{cost.mmac_per_audio_s:,.0f} million multiply-adds, {cost.model_bytes / 1e6:.2f} MB"
    )


def _species_table(provenance: Provenance, report: ShippedReport) -> Iterable[str]:
    yield (
        "| code | species | common name | recordings | groups | threshold | sensitive | strict | AP | found | wrong | "
        "reliable |"
    )
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for species, figures in zip(provenance.species, report.species, strict=True):
        yield (
            f"| {species.code} | *{species.scientific_name}* | {species.common_name} | {species.recordings} | "
            f"{species.groups} | {figures.threshold:.2f} | {figures.sensitive:.2f} | {figures.strict:.2f} | "
            f"{figures.average_precision:.2f} | {figures.found} | {figures.wrong} | "
            f"{'yes' if figures.is_reliable else 'no'} |"
        )


def _metric_table(report: ShippedReport) -> Iterable[str]:
    """Yield the metrics, beside those of the baseline if there is one."""
    others = {metric.name: metric for metric in report.baseline_metrics}
    baseline, line = (f" {report.baseline} |", "---|") if report.baseline else ("", "")
    yield f"| figure | value |{baseline} how |"
    yield f"|---|---|{line}---|"
    for metric in report.metrics:
        other = f" {_value(others[metric.name]) if metric.name in others else ''} |" if report.baseline else ""
        yield f"| {metric.name} | {_value(metric)} |{other} {metric.protocol} |"


def _value(metric: Metric) -> str:
    """Return a value with its interval."""
    interval = "" if metric.low is None else f" ({metric.low:.2f} to {metric.high:.2f})"
    return f"{metric.value:.2f}{interval} {metric.unit}".strip()
