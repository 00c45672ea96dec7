"""What exports say about a row: its names, its verdict, its time and its clock. All formats use these words."""

from datetime import UTC, date, datetime

from anura_edge.audio import ClockSource
from anura_edge.events import Verdict
from anura_edge.results.formats.parts import FormatContext, RowValues

UNKNOWN_CLOCK = "The clock is unknown: the time is the recorder's own, without a known offset from UTC."

_CLOCK_NOTES = {
    ClockSource.UNKNOWN: UNKNOWN_CLOCK,
    ClockSource.FILE: "The time is the modification time of the file.",
}


def iso_utc(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return a moment in UTC in ISO 8601 with the suffix Z."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def time_is_known(row: RowValues) -> bool:
    """Return whether the time of a row is known."""
    return bool(row["clock_source"] != ClockSource.UNKNOWN)


def known_utc(row: RowValues, column: str) -> str:
    """Return a time of a row, empty if the clock is unknown."""
    return iso_utc(row[column]) if time_is_known(row) else ""


def recorder_time(row: RowValues, column: str = "start_utc") -> str:
    """Return a time of a row by the recorder's own clock, without an offset. Empty if the clock is known."""
    return "" if time_is_known(row) else iso_utc(row[column]).removesuffix("Z")


def known_night(row: RowValues, context: FormatContext) -> date | None:
    """Return the date of the night of a row, None if the clock or the zone is unknown."""
    return context.night(row) if time_is_known(row) else None


def clock_note(row: RowValues) -> str:
    """Return a sentence about a clock that is not known well, or that a person corrected. Usually empty."""
    if row["corrected_by"] is None:
        return _CLOCK_NOTES.get(row["clock_source"], "")
    return (
        f"{row['corrected_by']} corrected the clock by {row['clock_shift_s']:+.0f} s"
        f" on {iso_utc(row['corrected_utc'], 'seconds')}."
    )


def counted_label(event: RowValues) -> str:
    """Return the label of a call, the new one if it was relabelled."""
    return str(event["new_label"] if event["verdict"] == Verdict.RELABELLED else event["label"])


def counted_name(event: RowValues) -> str:
    """Return the scientific name of a call, the new one if it was relabelled. Empty if there is none."""
    return str(event["new_name"] if event["verdict"] == Verdict.RELABELLED else event["scientific_name"])


def common_name(event: RowValues) -> str:
    """Return the common name of a call, or its scientific name if the model has no common name."""
    known = "" if event["verdict"] == Verdict.RELABELLED else event["common_name"]
    return str(known or taxon_name(counted_name(event)) or counted_label(event))


def reviewed_utc(event: RowValues) -> str:
    """Return the time of the verdict. Empty without a verdict."""
    return iso_utc(event["reviewed_utc"], "seconds") if event["verdict"] else ""


def model(row: RowValues) -> str:
    """Return the model that made a row."""
    return f"{row['model_id']} {row['model_version']}"


def taxon_name(name: str) -> str:
    """Return a name that taxonomic databases know. For a group of species, which has a slash, it is the genus."""
    return name.split()[0] if "/" in name and name.split() else name


def recording_path(site: str, device: str, name: str) -> str:
    """Return SITE/DEVICE/NAME: the path of a recording below a folder with the recordings of all devices."""
    return f"{site}/{device}/{inner_path(name)}"


def inner_path(name: str) -> str:
    """Return the name of a recording as a path below a folder. A name from a device cannot leave the folder."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part.strip(". ")) or "recording"
