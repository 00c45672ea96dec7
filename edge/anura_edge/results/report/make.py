"""Makes the report about a season, a night or a species from the rows of a journal."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum

from anura_edge.errors import ConfigError
from anura_edge.nights import Place, night_date
from anura_edge.results.journal_reader import JournalReader
from anura_edge.results.report.grid import RateGrid, make_grid
from anura_edge.results.report.page import ExampleClip, Report
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.results.tables.bins import clock_bin, sunset_bin
from anura_edge.results.tables.hourly import SpeciesHour, hourly_table
from anura_edge.results.tables.nightly import SpeciesNight, nightly_table

NIGHT_HOURS = [f"{(12 + number) % 24:02d}" for number in range(24)]
"""Hours of the local clock from noon to noon."""


class ReportKind(StrEnum):
    """What a report is about."""

    SEASON = "season"
    NIGHT = "night"
    SPECIES = "species"


def make_report(
    kind: ReportKind,
    reader: JournalReader,
    places: Mapping[str, Place],
    row_filter: RowFilter,
    find_clips: Callable[[Iterable[Bout]], Sequence[ExampleClip]],
    worth: str,
) -> Report:
    """Return a report. `find_clips` returns examples of some bouts, and `worth` is a sentence about the model.

    Of a night, the filter without dates selects the last night with effort. Raises ConfigError if nothing was analysed
    in the selected nights.
    """
    bouts, spans = list(reader.bouts()), list(reader.effort())
    nights = nightly_table(bouts, spans, places, row_filter)
    if not nights:
        raise ConfigError("no call in the selected nights, sites and species; choose others")
    if kind is ReportKind.NIGHT:
        evening = row_filter.first_night or max(row.night for row in nights)
        row_filter = replace(row_filter, first_night=evening, last_night=evening)
        nights = [row for row in nights if row.night == evening]
    hours = hourly_table(bouts, spans, places, row_filter, clock_bin)
    since_sunset = hourly_table(bouts, spans, places, row_filter, sunset_bin)
    shown = (
        range(min(row.hour for row in since_sunset), max(row.hour for row in since_sunset) + 1) if since_sunset else ()
    )
    return Report(
        _title(kind, nights),
        _notes(reader, nights, row_filter, worth),
        _heatmap(kind, nights, hours),
        make_grid(hours, _species, lambda row: f"{row.hour:02d}", NIGHT_HOURS),
        make_grid(since_sunset, _species, lambda row: f"{row.hour:+d}", [f"{hour:+d}" for hour in shown]),
        _indices(nights),
        _effort(nights),
        _states(spans, places, row_filter),
        dict(sorted(reader.unreadable().items())),
        find_clips(bout for bout in bouts if row_filter.has_night(_night(bout, places))),
    )


def _species(row: SpeciesNight | SpeciesHour) -> str:
    return row.species


def _heatmap(kind: ReportKind, nights: Sequence[SpeciesNight], hours: Sequence[SpeciesHour]) -> RateGrid:
    if kind is ReportKind.NIGHT:
        return make_grid(hours, _species, lambda row: f"{row.hour:02d}", NIGHT_HOURS)
    columns = [str(night) for night in _all_nights(nights)]
    row_of = _species if kind is ReportKind.SEASON else lambda row: f"{row.species}, {row.site}"
    return make_grid(nights, row_of, lambda row: str(row.night), columns)


def _all_nights(nights: Sequence[SpeciesNight]) -> list[date]:
    first, last = min(row.night for row in nights), max(row.night for row in nights)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _indices(nights: Sequence[SpeciesNight]) -> dict[str, list[int]]:
    counts = Counter((row.species, row.calling_index) for row in nights)
    return {name: [counts[name, index] for index in range(4)] for name in sorted({row.species for row in nights})}


def _effort(nights: Sequence[SpeciesNight]) -> dict[str, float]:
    of_sites = {(row.site, row.night): row.effort_h for row in nights}
    return {str(night): sum(h for (_, of), h in of_sites.items() if of == night) for night in _all_nights(nights)}


def _night(row: Bout | SiteEffort, places: Mapping[str, Place]) -> date:
    return night_date(row.start_utc, places[row.owner.site])


def _states(spans: Sequence[SiteEffort], places: Mapping[str, Place], row_filter: RowFilter) -> dict[str, float]:
    hours: dict[str, float] = {}
    for span in spans:
        if row_filter.has_night(_night(span, places)):
            hours[span.state] = hours.get(span.state, 0.0) + (span.end_utc - span.start_utc) / timedelta(hours=1)
    return dict(sorted(hours.items()))


def _title(kind: ReportKind, nights: Sequence[SpeciesNight]) -> str:
    first, last = min(row.night for row in nights), max(row.night for row in nights)
    if kind is ReportKind.NIGHT:
        return f"Night of {first}"
    what = "Frog calls" if kind is ReportKind.SEASON else ", ".join(sorted({row.species for row in nights}))
    return f"{what}, {first} to {last}"


def _notes(reader: JournalReader, nights: Sequence[SpeciesNight], row_filter: RowFilter, worth: str) -> list[str]:
    sites = sorted({row.site for row in nights})
    events, hours = reader.without_time()
    notes = [
        f"Sites: {', '.join(sites)}. Nights last from noon to noon in the time zone of the site.",
        f"Model: {reader.model.id} {reader.model.version}. {worth or 'How much it finds is not known here.'}",
        "A call is one event: one call, or many with pauses below a second (a bout). The number of single calls is not"
        " known. Not each of them is right.",
    ]
    if row_filter.min_score:
        notes.append(f"Only calls with a score of at least {row_filter.min_score:g}.")
    if row_filter.confirmed is not None:
        notes.append("Only calls whose species a person confirmed or named.")
    if events or hours:
        notes.append(f"{events} calls and {hours:.1f} h of recordings without a known time are left out.")
    return notes
