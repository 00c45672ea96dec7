"""What the commands print for people."""

from anura_edge.bundle import Bundle
from anura_edge.daemon import Summary
from anura_edge.events import EffortState
from anura_edge.wire import EventRow


def event_line(row: EventRow) -> str:
    """Say in a line who called, when, how sure it is, how long and how loud, and where to hear it."""
    seconds = (row.offset_sample - row.onset_sample) / row.rate_hz
    return (
        f"{row.start_utc:%Y-%m-%d %H:%M:%S}Z  {row.scientific_name:<30} {row.p_peak:4.0%}  {seconds:5.1f} s "
        f"{row.level_dbfs:6.1f} dBFS  {row.recording_name} at {row.onset_sample / row.rate_hz:.1f} s"
    )


def summary_text(summary: Summary) -> str:
    """Say what a run did."""
    minutes = {state: seconds / 60 for state, seconds in summary.seconds.items()}
    analysed = minutes.pop(EffortState.ANALYSED, 0.0)
    lines = [
        f"{summary.new} new recordings, {summary.known} known, {summary.unreadable.total()} unreadable; "
        f"{analysed:.1f} min analysed"
        + (f" at {summary.times_real_time:,.0f} x real time" if summary.new else "")
        + "".join(f", {length:.1f} min {state}" for state, length in minutes.items())
    ]
    lines += [f"  unreadable, {reason}: {count}" for reason, count in summary.unreadable.most_common()]
    lines += [f"  {name:<30} {count:>5} events" for name, count in summary.events.most_common()]
    lines.append(f"{summary.events.total()} new events; {summary.pending} rows wait for a base station")
    return "\n".join(lines)


def bundle_text(bundle: Bundle) -> str:
    """Say what a model hears, how well, and under which licence."""
    m = bundle.manifest
    lines = [
        f"{m.title} ({m.id} {m.version}): a {m.kind} model at {m.rate_hz} Hz, licence {m.licence}",
        f"sha256 {bundle.model_sha256}",
        "",
        *(f"  {label.code:<8} {label.scientific_name:<30} {label.common_name}" for label in m.labels),
        "",
    ]
    for metric in m.metrics:
        interval = "" if metric.low is None else f" ({metric.low:.3g} to {metric.high:.3g})"
        lines.append(f"{metric.name} {metric.value:.3g}{interval} {metric.unit}".rstrip() + f": {metric.protocol}")
    return "\n".join(lines)
