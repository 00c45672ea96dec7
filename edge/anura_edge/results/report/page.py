"""The page of a report: one HTML file without scripts that loads nothing from a network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from anura_edge.results.report.charts import HATCH, bars, curves, heatmap, legend
from anura_edge.results.report.grid import RateGrid
from anura_edge.results.rows import Bout

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:"
"""The browser loads nothing else, whatever a name in the data contains."""


@dataclass(frozen=True, slots=True, eq=False)
class ExampleClip:
    """The audio of a bout for the page."""

    bout: Bout
    flac: bytes
    spectrogram_png: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything on the page."""

    title: str
    notes: Sequence[str]
    """Sentences about what the page shows: sites, nights, filters, model."""
    heatmap: RateGrid
    hourly: RateGrid
    sunset: RateGrid
    """Without columns if no site has a position."""
    indices: Mapping[str, Sequence[int]]
    """For each species, the number of nights with the calling index 0, 1, 2 and 3."""
    effort_h: Mapping[str, float]
    """Hours analysed by night."""
    states_h: Mapping[str, float]
    """Hours of all effort, by state."""
    unreadable: Mapping[str, int]
    """Files that could not be analysed, by reason."""
    clips: Sequence[ExampleClip]


def report_html(report: Report) -> str:
    """Return the page."""
    sections = [
        ("Calls over effort", heatmap(report.heatmap, "Calls over effort") + legend(report.heatmap)),
        ("By hour of the day", curves(report.hourly, "Calls per hour analysed", "hour of the local clock")),
        ("By hours since sunset", _sunset(report.sunset)),
        ("Calling index", _indices(report.indices)),
        ("Effort", bars(report.effort_h, "Hours analysed by night", "h")),
        ("Recordings and faults", _faults(report.states_h, report.unreadable)),
        ("Example clips", _clips(report.clips)),
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    body = "".join(
        f'<section><h2>{escape(name)}</h2><div class="wide">{text}</div></section>' for name, text in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{STYLE}</style></head>"
        f'<body><svg width="0" height="0">{HATCH}</svg><h1>{escape(report.title)}</h1><ul>{notes}</ul>{body}'
        "</body></html>\n"
    )


def _sunset(grid: RateGrid) -> str:
    if not grid.columns:
        return "<p>No sunset: the position of the sites is not known, or the sun did not set.</p>"
    return curves(grid, "Calls per hour analysed", "hours since sunset")


def _indices(indices: Mapping[str, Sequence[int]]) -> str:
    rows = (
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{n}</td>' for n in nights)}</tr>"
        for name, nights in indices.items()
    )
    return (
        "<p>Nights of sites by calling index. The index is a proxy from the share of a minute with calls; it was not"
        " compared with indices that people give.</p><table>"
        "<tr><th>Species</th><th>0</th><th>1</th><th>2</th><th>3</th></tr>"
        f"{''.join(rows)}</table>"
    )


def _faults(states_h: Mapping[str, float], unreadable: Mapping[str, int]) -> str:
    hours = "".join(f"<tr><th>{escape(state)}</th><td>{h:.2f} h</td></tr>" for state, h in states_h.items())
    files = "".join(f"<tr><th>{escape(reason)}</th><td>{n} files</td></tr>" for reason, n in unreadable.items())
    none = "" if unreadable else "<p>No file was unreadable.</p>"
    return f"<table><tr><th>State of the audio</th><th>Hours</th></tr>{hours}</table>" + (
        f"<table><tr><th>Unreadable, of all sites</th><th>Number</th></tr>{files}</table>" if files else none
    )


def _clips(clips: Sequence[ExampleClip]) -> str:
    if not clips:
        return "<p>None. Name the folder of the recordings with --recordings to add the best call of each species.</p>"
    return "".join(map(_clip, clips))


def _clip(clip: ExampleClip) -> str:
    bout = clip.bout
    caption = f"{bout.name}, score {bout.score:.2f}, {bout.owner.site}, {bout.start_utc:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f'<figure><img alt="Spectrogram" src="data:image/png;base64,{_base64(clip.spectrogram_png)}">'
        f'<audio controls preload="none" src="data:audio/flac;base64,{_base64(clip.flac)}"></audio>'
        f"<figcaption>{escape(caption)}; {escape(bout.recording_name)}</figcaption></figure>"
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
