"""What the names of files and species tell where no table does."""

import re
from datetime import date, datetime
from pathlib import Path

from anura_edge.events import night_of_local_time

RECORDER_STEM = re.compile(r"(?P<site>[^_]+)_(?P<day>\d{8})_(?P<time>\d{6})(?:_.*)?")
"""`SITE_YYYYMMDD_HHMMSS`, as recorders and AnuraSet write it; one of AnuraSet's has a further field, `_000`."""

CLIP_STEM = re.compile(r"(?P<source>\d-\d+)-[A-Z](-\d+)?|(?P<whole>.+?)(_(edit|chunk|loop|wrap)\d*)+")
"""ESC-50's `FOLD-SOURCE-TAKE[-CLASS]`, and pieces of a longer recording: InsectSet32's authors (Faiß and Stowell 2023)
name those that their script cuts chunk, loop and wrap."""


def site_and_time(stem: str) -> tuple[str, datetime | None]:
    """Return the site and the local time that a recorder's file name tells, or nothing of them."""
    found = RECORDER_STEM.fullmatch(stem)
    if not found:
        return "", None
    try:
        return found["site"], datetime.strptime(found["day"] + found["time"], "%Y%m%d%H%M%S")
    except ValueError:
        return found["site"], None


def night_of(local: datetime | None) -> date | None:
    """Return the date of the night that contains a local time, None for None."""
    return local and night_of_local_time(local)


def source_of(file: str) -> str:
    """Return what a clip was cut from: clips of one source belong together."""
    stem = Path(file).stem
    found = CLIP_STEM.fullmatch(stem)
    return (found["source"] or found["whole"]) if found else stem


def code_of(name: str) -> str:
    """Return a name as a code: what is neither letter nor digit becomes `_`, so a code stays as it is."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_")
