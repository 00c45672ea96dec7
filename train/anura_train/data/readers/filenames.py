"""Metadata from file names and species names, for data sets without a table."""

import re
from datetime import date, datetime
from pathlib import Path

from anura_edge.events import night_of_local_time

RECORDER_STEM = re.compile(r"(?P<site>[^_]+)_(?P<day>\d{8})_(?P<time>\d{6})(?:_.*)?")
"""`SITE_YYYYMMDD_HHMMSS`, as recorders and AnuraSet write it; one file of AnuraSet has another field, `_000`."""

CLIP_STEM = re.compile(r"(?P<source>\d-\d+)-[A-Z](-\d+)?|(?P<recording>.+?)(_(edit|chunk|loop|wrap)\d*)+")
"""ESC-50's `FOLD-SOURCE-TAKE[-CLASS]`, or parts of a longer recording. InsectSet32's authors (Faiß and Stowell 2023)
call the parts chunk, loop and wrap."""


def site_and_time(stem: str) -> tuple[str, datetime | None]:
    """Return the site and the local time in a recorder's file name; '' and None if it has another form."""
    match = RECORDER_STEM.fullmatch(stem)
    if not match:
        return "", None
    try:
        return match["site"], datetime.strptime(match["day"] + match["time"], "%Y%m%d%H%M%S")
    except ValueError:
        return match["site"], None


def night_of(local: datetime | None) -> date | None:
    """Return the date of the night that contains a local time, None for None."""
    return local and night_of_local_time(local)


def source_of(file: str) -> str:
    """Return the name of the recording that a clip was cut from. Clips of one source are one group."""
    stem = Path(file).stem
    match = CLIP_STEM.fullmatch(stem)
    return (match["source"] or match["recording"]) if match else stem


def code_of(name: str) -> str:
    """Return a name as a species code: all characters but letters, digits and `-` become `_`."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_")
