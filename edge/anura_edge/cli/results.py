"""Opens the results in a journal for the commands that read them: settings, filter and places."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.yaml_loader import is_zone, load
from anura_edge.errors import ConfigError
from anura_edge.nights import night_date
from anura_edge.results.confirmed import read_confirmed
from anura_edge.results.journal_reader import JournalReader, open_results
from anura_edge.results.places import place_sites
from anura_edge.results.rows import Bout, RowFilter
from anura_edge.sites.table import FILE_NAME, SitePlace, places_of, read_lines


@dataclass(frozen=True, slots=True)
class Results:
    """Results of a journal with the places of their sites and the filter that was chosen."""

    settings: Config
    reader: JournalReader
    places: dict[str, SitePlace]
    row_filter: RowFilter

    def bouts(self) -> Iterator[Bout]:
        """Yield the selected bouts of the selected nights. Nights need the place of each site."""
        for bout in self.reader.bouts():
            night = night_date(bout.start_utc, self.places[bout.owner.site]) if self.row_filter.has_nights else None
            if night is None or self.row_filter.has_night(night):
                yield bout


def load_settings(config: Path | None, results: Path | None) -> Config:
    """Return the settings, with the journal in the folder of the results if one is named.

    Raises ConfigError.
    """
    folder = {"ANURA__STATE_DIR": str(expand_home(results))} if results else {}
    return load(Config, config, os.environ | folder)


def make_filter(
    since: datetime | None,
    until: datetime | None,
    sites: list[str] | None,
    species: list[str] | None,
    score: float,
    confirmed: Path | None = None,
) -> RowFilter:
    """Return the filter of the options.

    Raises ConfigError if the last night is before the first, or if the table of confirmed calls cannot be read.
    """
    if since and until and until < since:
        raise ConfigError(f"--until {until:%Y-%m-%d} is before --since {since:%Y-%m-%d}; exchange the two dates")
    of_people = read_confirmed(expand_home(confirmed)) if confirmed else None
    first, last = since.date() if since else None, until.date() if until else None
    return RowFilter(tuple(sites or ()), tuple(species or ()), score, of_people, first, last)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the sites are."""

    known: Mapping[str, SitePlace]
    """The places of a table."""
    default: SitePlace | None
    """The place of the other sites."""


def choose_places(
    settings: Config,
    sites: Path | None = None,
    zone: str | None = None,
    latitude_deg: float | None = None,
    longitude_deg: float | None = None,
) -> Places:
    """Return where the sites are: by the options, else by the table beside the journal, else by the settings.

    Raises ConfigError if the zone does not exist, or if the table is wrong.
    """
    device, beside = settings.device, settings.journal_path.with_name(FILE_NAME)
    table = expand_home(sites) if sites else beside if beside.exists() and zone is None else None
    known = places_of(read_lines(table)) if table else {}
    zone = zone or device.zone
    if zone is None:
        return Places(known, None)
    if not is_zone(zone):
        raise ConfigError(f"--zone {zone!r} is not a time zone; write one as in America/Sao_Paulo")
    if latitude_deg is None and longitude_deg is None:
        latitude_deg, longitude_deg = device.latitude_deg, device.longitude_deg
    return Places(known, SitePlace(zone, latitude_deg, longitude_deg))


@contextmanager
def read_results(
    settings: Config, row_filter: RowFilter, places: Places, *, by_night: bool = True
) -> Iterator[Results]:
    """Open the journal of the settings, and report what the results do not contain.

    Results by night need the zone of each site, and contain only what has a known time.

    Raises JournalError without results; ConfigError if a filter names an unknown site or species, or if the zone of a
    site is not known but needed.
    """
    known, default = places.known, places.default
    with open_results(settings.journal_path, row_filter) as reader:
        names = reader.sites()
        if missing := sorted({*row_filter.sites} - {*names}):
            raise ConfigError(f"--site {missing[0]}: the journal has no such site")
        reader.check_species()
        if by_night:
            _report_without_time(reader)
        of_sites = place_sites([name for name in names if by_night or name in known or default], known, default)
        _report_other_models(reader)
        yield Results(settings, reader, of_sites, row_filter)


def _report_without_time(reader: JournalReader) -> None:
    events, hours = reader.without_time()
    if events or hours:
        typer.echo(
            f"anura-edge: {events} calls and {hours:.1f} h of recordings without a known time are left out; set"
            " audio.utc_offset and analyse them with --reanalyse",
            err=True,
        )


def _report_other_models(reader: JournalReader) -> None:
    for model in reader.other_models:
        typer.echo(
            f"anura-edge: results of {model.id} {model.version} are left out; these are of {reader.model.id}"
            f" {reader.model.version}",
            err=True,
        )
