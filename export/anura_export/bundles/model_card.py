"""Writes a model card (Mitchell et al. 2019): what a model hears, how well, from what, and where it fails."""

from collections.abc import Iterable

from anura_edge.inference.manifest import Cost, Manifest, Metric
from anura_train.checkpoints.provenance import Provenance
from anura_train.evaluation.shipped import ShippedReport

LIMITS = """\
- Learnt from half an hour of recordings, most of them made by people who held a phone near a frog. A recorder in a
  swamp hears frogs from farther away and many at once; expect it to hear less than these figures say.
- Each recording names one species; others that call behind it count as wrong in these figures although they are right.
- Two to ten recordings a species: the intervals are wide, and a species with two recordings has hardly a figure at all.
- Frogs of other regions, and species that are not in the table, are heard as one of these or not at all.
- A probability is that of a label somewhere in a recording like those it was calibrated on, not of a single call.
"""


def model_card(provenance: Provenance, report: ShippedReport) -> str:
    """Return the card in Markdown."""
    recipe = provenance.recipe
    sections = [
        f"# {recipe.title}\n\n`{recipe.id}` {recipe.version}, licence CC BY-NC 4.0 because some recordings that it "
        "learnt from are. Made by anura-edge's own training; not validated in the field.",
        "## What it hears\n\n" + "\n".join(_species_table(provenance, report)),
        "A recording counts as *found* when an event of its species begins in it, and as *wrong* when an event of a "
        "species begins in a recording of another. *AP* is average precision. All are out of fold: no model has "
        "learnt from the recordings, or from others of their group, that it is judged on.",
        "## How well\n\n" + "\n".join(_metric_table(report.metrics)),
        "## What it learnt from\n\n" + "\n".join(_sources(provenance)),
        "## Limits\n\n" + LIMITS.rstrip(),
        f"## The golden clip\n\n{provenance.golden_credit}",
        "## Credits\n\n" + "\n".join(f"- {line}" for line in provenance.credits),
    ]
    return "\n\n".join(sections) + "\n"


def _sources(provenance: Provenance) -> Iterable[str]:
    yield from (f"- {line}" for line in provenance.data)
    if provenance.teachers:
        yield f"- what other models made of the same recordings: {', '.join(provenance.teachers)}"


def exported_section(manifest: Manifest) -> str:
    """Return the section about a float graph: that it is the trained network, and what it costs."""
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
    """Return the section about an int8 graph: what it changes, what it saves, and whether that is worth it."""
    lines = ["## The int8 model", "\n".join(f"- {line}" for line in verdict)]
    lines.append(
        "Convolutions and products between the first layer and the last are of 8-bit integers; front end, first and "
        "last layer, depthwise convolutions and recurrent layers are float. All that stands above was measured on the "
        "float model."
    )
    if cost := manifest.cost:
        lines.append(f"{_cost_line('float32', float_cost)}\n{_cost_line(manifest.precision, cost)}")
    if parity := manifest.parity:
        rows = [
            f"| {code} | {change.largest:.3f} | {change.p99:.3f} |"
            for code, change in [("all", parity.overall), *parity.labels.items()]
        ]
        lines.append(f"Change of a probability against the float model, on {parity.audio}:")
        lines.append("\n".join(["| code | largest | 99 % below |", "|---|--:|--:|", *rows]))
    return "\n\n".join(lines) + "\n"


def _cost_line(precision: str, cost: Cost) -> str:
    return (
        f"- {precision}: {cost.ms_per_audio_s:.2f} ms for a second of audio on one thread ({cost.machine}), "
        f"{cost.mmac_per_audio_s:,.0f} million multiply-adds, {cost.model_bytes / 1e6:.2f} MB"
    )


def _species_table(provenance: Provenance, report: ShippedReport) -> Iterable[str]:
    yield "| code | species | common name | recordings | groups | threshold | AP | found | wrong |"
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|"
    for species, figures in zip(provenance.species, report.species, strict=True):
        yield (
            f"| {species.code} | *{species.scientific_name}* | {species.common_name} | {species.recordings} | "
            f"{species.groups} | {figures.threshold:.2f} | {figures.average_precision:.2f} | {figures.found} | "
            f"{figures.wrong} |"
        )


def _metric_table(metrics: Iterable[Metric]) -> Iterable[str]:
    yield "| figure | value | 95 % interval | how |"
    yield "|---|--:|---|---|"
    for metric in metrics:
        interval = "" if metric.low is None else f"{metric.low:.2f} to {metric.high:.2f}"
        yield f"| {metric.name} | {metric.value:.2f} {metric.unit} | {interval} | {metric.protocol} |"
