"""What the commands print: events, summaries and bundles, as text or JSON."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import get_args

import typer

from anura_edge.config.analysis import Preset
from anura_edge.events import EffortState
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.manifest import Label, Manifest, Metric
from anura_edge.store.run_summary import RunSummary
from anura_edge.terminal import discard_output
from anura_edge.wire import EventRow


def event_printer(*, as_json: bool) -> Callable[[EventRow], None]:
    """Return a function that prints an event."""
    if as_json:
        return lambda row: _print(json.dumps({"event": row.model_dump(mode="json")}))
    return lambda row: _print(event_line(row))


def print_summary(summary: RunSummary, worth: str, *, as_json: bool) -> None:
    """Print what a run did, and `worth`, a sentence about the model."""
    text = "\n".join(filter(None, [summary_text(summary), worth]))
    _print(json.dumps({"summary": asdict(summary)}) if as_json else text)


def event_line(row: EventRow) -> str:
    """Return an event as one line: time, species, score, duration, level and place, and whether it is unreliable."""
    seconds = (row.offset_sample - row.onset_sample) / row.rate_hz
    return (
        f"{row.start_utc:%Y-%m-%d %H:%M:%S}Z  {row.scientific_name:<30} {row.p_peak:4.0%}  {seconds:5.1f} s "
        f"{row.level_dbfs:6.1f} dBFS  {row.recording_name} at {row.onset_sample / row.rate_hz:.1f} s"
        + ("" if row.is_reliable else "  unreliable")
    )


def summary_text(summary: RunSummary) -> str:
    """Return what a run did, as lines of text."""
    minutes = {state: seconds / 60 for state, seconds in sorted(summary.seconds.items())}
    analysed = minutes.pop(EffortState.ANALYSED, 0.0)
    unreadable = sum(summary.unreadable.values())
    lines = [
        f"{summary.new} new recordings, {summary.known} already analysed, {unreadable} unreadable; "
        f"{analysed:.1f} min analysed"
        + (f" at {summary.times_real_time:,.0f} x real time" if summary.new else "")
        + "".join(f", {length:.1f} min {state}" for state, length in minutes.items())
    ]
    lines += [f"  unreadable, {reason}: {count}" for reason, count in sorted(summary.unreadable.items())]
    lines += [f"  unreadable as before: {summary.known_unreadable}"] if summary.known_unreadable else []
    if summary.other_settings:
        lines.append(f"  {summary.other_settings} analysed under other settings: --reanalyse analyses them again")
    lines += [f"  left for the next scan, {reason}: {count}" for reason, count in sorted(summary.left.items())]
    lines += [
        f"  {name:<30} {count:>5} events" for name, count in sorted(summary.events.items(), key=lambda item: -item[1])
    ]
    waiting = f"; {summary.pending} rows wait in the journal" if summary.pending else "; no rows wait"
    lines.append(
        f"{sum(summary.events.values())} new events{waiting}" + (f": {summary.problem}" if summary.problem else "")
    )
    return "\n".join(lines)


def bundle_text(bundle: Bundle) -> str:
    """Return a model's species with the thresholds of the presets, its metrics and its licence, as lines of text."""
    m = bundle.manifest
    lines = [
        f"{m.title} ({m.id} {m.version}): a {m.kind} model at {m.rate_hz} Hz, {m.precision}, licence {m.licence}",
        f"sha256 {bundle.model_sha256}",
        "",
        *map(_label_line, m.labels),
        "",
    ]
    if not all(label.is_reliable for label in m.labels):
        lines += ["unreliable: the precision could not be measured; its calls are shown, but cause no alert", ""]
    for metric in filter(_is_overall, m.metrics):
        interval = "" if metric.low is None else f" ({metric.low:.3g} to {metric.high:.3g})"
        lines.append(f"{metric.name} {metric.value:.3g}{interval} {metric.unit}".rstrip() + f": {metric.protocol}")
    return "\n".join(lines)


def _label_line(label: Label) -> str:
    thresholds = [label.threshold_of(preset) for preset in get_args(Preset)]
    shown = " / ".join(f"{each:.2f}" for each in thresholds) if len({*thresholds}) > 1 else f"{thresholds[0]:.2f}"
    mark = "" if label.is_reliable else "  unreliable"
    return f"  {label.code:<8} {label.scientific_name:<30} {label.common_name:<30} {shown}{mark}".rstrip()


def _is_overall(metric: Metric) -> bool:
    """Return whether a metric is more than one kind of background. The model card has them all."""
    name, _, kind = metric.name.partition(", ")
    return name != "false alarms" or kind.startswith(("all kinds", "unseen"))


def model_worth(manifest: Manifest, preset: Preset) -> str:
    """Return how much of what calls a model finds, as a sentence. Empty if that was not measured."""
    values = {metric.name: metric.value for metric in manifest.metrics}
    found, wrong = (values.get(f"recordings {word}, preset {preset}") for word in ("found", "wrong"))
    if found is None or wrong is None:
        return ""
    return (
        f"Of 100 recordings with a frog, the model finds the right species in {found:.0f} and only a wrong one in "
        f"{wrong:.0f} (preset {preset}); see anura-edge model info."
    )


def _print(text: str) -> None:
    """Print. If that fails, as on a full disk, log it once and continue without output."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        logging.warning("cannot print results: %s; they are stored and sent all the same", error.strerror)
        discard_output()
