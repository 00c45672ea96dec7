"""Reviewed events as a training set: a ZIP of the tables that `anura-train data read folder` reads."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from anura_base.config.settings import Site
from anura_edge.audio import ClockSource
from anura_edge.events import Verdict
from anura_edge.nights import night_date
from anura_edge.results.spreadsheet import Cell, csv_text

README = """Calls that people confirmed or relabelled, for anura-train:

    anura-train data read folder . --out DATA

First copy the recordings that recordings.csv names into this folder. A recording is left out if every reviewed call in
it was rejected: a rejected call does not show that no frog calls in the whole recording. reviews.csv has all reviews.
A text that a spreadsheet program could run as a formula has a leading apostrophe.
"""

_RECORDINGS = ("file", "labels", "name", "group", "site", "night", "start")
_LABELS = ("name", "code", "onset_s", "offset_s")
_SPECIES = ("code", "scientific_name")
_REVIEWS = ("event_id", "label", "p_peak", "model_sha256", "verdict", "new_label", "reviewer", "reviewed_utc")


def training_zip(rows: Iterable[Row[Any]], sites: Mapping[str, Site]) -> bytes:
    """Return the ZIP of reviewed events. `rows` are events with their reviews."""
    rows = list(rows)
    accepted = [row for row in rows if row.verdict != Verdict.REJECTED]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("recordings.csv", csv_text(_RECORDINGS, _recordings(accepted, sites)))
        archive.writestr("labels.csv", csv_text(_LABELS, map(_label_row, accepted)))
        archive.writestr("species.csv", csv_text(_SPECIES, _species(accepted)))
        archive.writestr("reviews.csv", csv_text(_REVIEWS, map(_review_row, rows)))
    return buffer.getvalue()


def _code(row: Row[Any]) -> str:
    return str(row.new_label or row.label)


def _recordings(rows: Sequence[Row[Any]], sites: Mapping[str, Site]) -> Iterable[Sequence[Cell]]:
    labels: dict[tuple[str, str], set[str]] = {}
    first: dict[tuple[str, str], Row[Any]] = {}
    for row in rows:
        key = row.recording_name, row.recording
        labels.setdefault(key, set()).add(_code(row))
        first.setdefault(key, row)
    for (file, recording), row in first.items():
        site = sites.get(row.site, Site())
        start = row.start_utc - timedelta(seconds=row.onset_sample / row.rate_hz)
        night = night_date(start, site)
        local = start.astimezone(ZoneInfo(site.zone)).isoformat(timespec="seconds")
        codes = " ".join(sorted(labels[file, recording]))
        times = (night.isoformat(), local) if row.clock_source != ClockSource.UNKNOWN else ("", "")
        yield file, codes, recording, f"{row.site}-{night}", row.site, *times


def _label_row(row: Row[Any]) -> Sequence[Cell]:
    onset, offset = (f"{sample / row.rate_hz:.3f}" for sample in (row.onset_sample, row.offset_sample))
    return row.recording, _code(row), onset, offset


def _species(rows: Sequence[Row[Any]]) -> Iterable[Sequence[Cell]]:
    names = {row.label: row.scientific_name for row in rows} | {row.new_label: row.new_name for row in rows}
    return [(code, names.get(code, "")) for code in sorted({_code(row) for row in rows})]


def _review_row(row: Row[Any]) -> Sequence[Cell]:
    reviewed_utc = row.reviewed_utc.isoformat(timespec="seconds")
    p = f"{row.p_peak:.4f}"
    return str(row.id), row.label, p, row.model_sha256, row.verdict, row.new_label, row.reviewer, reviewed_utc
