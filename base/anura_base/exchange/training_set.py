"""Reviewed calls as a data set for training: a ZIP of the tables that `anura-train data read folder` takes."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from anura_base.analysis.nights import night_date
from anura_base.analysis.reviews import Verdict
from anura_base.config.settings import Site

README = """The calls that people confirmed or named otherwise, as anura-train takes them:

    anura-train data read folder . --out DATA

Put the recordings that recordings.csv names beside it first. A recording is left out where every reviewed call was
rejected: that a call is none does not say that nothing else calls in the whole recording. reviews.csv has every word.
"""


def training_zip(rows: Iterable[Row[Any]], sites: Mapping[str, Site]) -> bytes:
    """Return the ZIP of reviewed calls."""
    rows = list(rows)
    good = [row for row in rows if row.verdict != Verdict.REJECTED]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("recordings.csv", _table(_RECORDINGS, _recordings(good, sites)))
        archive.writestr("labels.csv", _table(_LABELS, map(_box, good)))
        archive.writestr("species.csv", _table(_SPECIES, _species(good)))
        archive.writestr("reviews.csv", _table(_REVIEWS, map(_word, rows)))
    return buffer.getvalue()


_RECORDINGS = ("file", "labels", "name", "group", "site", "night", "start")
_LABELS = ("name", "code", "onset_s", "offset_s")
_SPECIES = ("code", "scientific_name")
_REVIEWS = ("event_id", "label", "p_peak", "model_sha256", "verdict", "new_label", "reviewer", "reviewed_utc")


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _code(row: Row[Any]) -> str:
    return str(row.new_label or row.label)


def _recordings(rows: Sequence[Row[Any]], sites: Mapping[str, Site]) -> Iterable[Sequence[object]]:
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
        yield file, codes, recording, f"{row.site}-{night}", row.site, night, local


def _box(row: Row[Any]) -> Sequence[object]:
    onset, offset = (f"{sample / row.rate_hz:.3f}" for sample in (row.onset_sample, row.offset_sample))
    return row.recording, _code(row), onset, offset


def _species(rows: Sequence[Row[Any]]) -> Iterable[Sequence[object]]:
    names = {row.label: row.scientific_name for row in rows}
    return [(code, names.get(code, "")) for code in sorted({_code(row) for row in rows})]


def _word(row: Row[Any]) -> Sequence[object]:
    when = row.reviewed_utc.isoformat(timespec="seconds")
    p = f"{row.p_peak:.4f}"
    return row.id, row.label, p, row.model_sha256, row.verdict, row.new_label, row.reviewer, when
