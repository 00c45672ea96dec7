"""One file of each format, made of the same few calls: `docs/reference/formats/`."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.results.formats.parts import FormatContext
from anura_edge.results.formats.registry import FORMATS
from anura_edge.results.journal_reader import open_results
from anura_edge.results.journal_source import JournalSource
from anura_edge.results.rows import RowFilter
from anura_edge.results.tables.files import TABLES, write_occupancy
from anura_edge.sites.table import SitePlace
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance

RATE_HZ, LENGTH_S = 24_000, 600
EVENING = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
"""19:30 in Sao Paulo."""
PLACES = {
    "pond": SitePlace("America/Sao_Paulo", -22.4, -47.55),
    "river": SitePlace("America/Sao_Paulo", -22.41, -47.5),
}
MODEL = Provenance("example", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
NAMES = {"PHYCUV": ("Physalaemus cuvieri", "Barker frog"), "BOAFAB": ("Boana faber", "Blacksmith treefrog")}
CALLS: dict[tuple[str, int], tuple[tuple[str, float, float, float], ...]] = {
    ("pond", 0): (("PHYCUV", 12.5, 14.0, 0.93), ("BOAFAB", 301.0, 330.5, 0.61)),
    ("pond", 1): (("PHYCUV", 48.0, 49.25, 0.88),),
    ("river", 0): (),
}
"""Label, onset and offset in seconds, and score of the calls, by site and night."""

BINARY = ("parquet", "parquet-effort")
"""Formats whose bytes depend on the version of the library that writes them."""


def example_texts() -> dict[str, str]:
    """Return each example that is text by its path below the folder of examples. Archives are unpacked."""
    with example_source() as source, tempfile.TemporaryDirectory() as folder:
        texts: dict[str, str] = {}
        for name, form in FORMATS.items():
            if name not in BINARY:
                texts |= _unpacked(
                    name, form.suffix, b"".join(part.data for part in form.write(source, source.context))
                )
        for name, table in TABLES.items():
            texts[f"{name}.csv"] = table(source.reader, PLACES, RowFilter())
        write_occupancy(source.reader, PLACES, RowFilter(), Path(folder))
        texts |= {f"occupancy/{file.name}": file.read_text() for file in sorted(Path(folder).iterdir())}
    return texts


def example_bytes() -> dict[str, bytes]:
    """Return each other example by its path."""
    with example_source() as source:
        return {
            f"{name}.{FORMATS[name].suffix}": b"".join(
                part.data for part in FORMATS[name].write(source, source.context)
            )
            for name in BINARY
        }


@contextmanager
def example_source() -> Iterator[JournalSource]:
    """Store the example calls in a journal, and open it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        for site in PLACES:
            with closing(Journal(path, Owner(site, "recorder"))) as journal:
                for (of_site, night), calls in CALLS.items():
                    if of_site == site:
                        _store(journal, site, night, calls)
        context = FormatContext(PLACES, written_utc=datetime(2026, 12, 1, tzinfo=UTC))
        with open_results(path, RowFilter()) as reader:
            yield JournalSource(reader, context)


def _store(journal: Journal, site: str, night: int, calls: tuple[tuple[str, float, float, float], ...]) -> None:
    start = EVENING + timedelta(days=night)
    recording, name = f"{site}-{night}", f"{site}/{site.upper()}_{start - timedelta(hours=3):%Y%m%d_%H%M%S}.wav"
    effort = Effort(
        effort_id(recording, 0, EffortState.ANALYSED, MODEL.model_sha256),
        *(recording, name, EffortState.ANALYSED, 0, LENGTH_S * RATE_HZ, RATE_HZ, start, ClockSource.RECORDER),
    )
    events = [_event(recording, name, start, call) for call in calls]
    journal.commit(events, [effort], MODEL)


def _event(recording: str, name: str, start: datetime, call: tuple[str, float, float, float]) -> Event:
    label, onset_s, offset_s, score = call
    onset, offset = round(onset_s * RATE_HZ), round(offset_s * RATE_HZ)
    return Event(
        id=event_id(recording, onset, label, MODEL.model_sha256),
        label=label,
        scientific_name=NAMES[label][0],
        recording=recording,
        recording_name=name,
        onset_sample=onset,
        offset_sample=offset,
        rate_hz=RATE_HZ,
        start_utc=start + timedelta(seconds=onset_s),
        end_utc=start + timedelta(seconds=offset_s),
        clock_source=ClockSource.RECORDER,
        p_peak=score,
        p_mean=round(score - 0.1, 2),
        level_dbfs=-32.5,
        channel=0,
        common_name=NAMES[label][1],
    )


def _unpacked(name: str, suffix: str, content: bytes) -> dict[str, str]:
    if suffix != "zip":
        return {f"{name}.{suffix}": content.decode()}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {f"{name}/{file}": archive.read(file).decode() for file in archive.namelist()}
