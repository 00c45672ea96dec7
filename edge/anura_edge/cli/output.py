"""What the commands print: events, summaries and bundles, as text or JSON."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict

import typer

from anura_edge.events import EffortState
from anura_edge.inference.bundle import Bundle
from anura_edge.store.run_summary import RunSummary
from anura_edge.terminal import discard_output
from anura_edge.wire import EventRow


def event_printer(*, as_json: bool) -> Callable[[EventRow], None]:
    """Return a function that prints an event."""
    if as_json:
        return lambda row: _print(json.dumps({"event": row.model_dump(mode="json")}))
    return lambda row: _print(event_line(row))


def print_summary(summary: RunSummary, *, as_json: bool) -> None:
    """Print what a run did."""
    _print(json.dumps({"summary": asdict(summary)}) if as_json else summary_text(summary))


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
    """Return a model's species, metrics and licence, as lines of text."""
    m = bundle.manifest
    lines = [
        f"{m.title} ({m.id} {m.version}): a {m.kind} model at {m.rate_hz} Hz, {m.precision}, licence {m.licence}",
        f"sha256 {bundle.model_sha256}",
        "",
        *(f"  {label.code:<8} {label.scientific_name:<30} {label.common_name}" for label in m.labels),
        "",
    ]
    for metric in m.metrics:
        interval = "" if metric.low is None else f" ({metric.low:.3g} to {metric.high:.3g})"
        lines.append(f"{metric.name} {metric.value:.3g}{interval} {metric.unit}".rstrip() + f": {metric.protocol}")
    return "\n".join(lines)


def _print(text: str) -> None:
    """Print. If that fails, as on a full disk, log it once and continue without output."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        logging.warning("cannot print results: %s; they are stored and sent all the same", error.strerror)
        discard_output()
