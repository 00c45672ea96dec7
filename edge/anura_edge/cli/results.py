"""Options and arguments of the commands that read results from the journal."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.yaml_loader import is_zone, load
from anura_edge.errors import ConfigError
from anura_edge.results.confirmed import read_confirmed
from anura_edge.results.formats.parquet import check_pyarrow
from anura_edge.results.formats.parts import FormatContext
from anura_edge.results.formats.registry import CALL_FORMATS, DEFAULT_FORMATS, FORMATS
from anura_edge.results.journal_reader import JournalReader, open_results
from anura_edge.results.journal_source import JournalSource
from anura_edge.results.places import place_sites
from anura_edge.results.rows import RowFilter
from anura_edge.sites.table import FILE_NAME, SitePlace, places_of, read_lines

SinceOption = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%d"], metavar="DATE", help="First night, as in 2026-11-20."),
]
UntilOption = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], metavar="DATE", help="Last night. It is included.")
]
SiteOption = Annotated[
    list[str] | None, typer.Option("--site", metavar="SITE", help="Only this site. Repeat it for several sites.")
]
SpeciesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--species", metavar="NAME", help="Only this species: label, scientific or common name. Repeat it for several."
    ),
]
MinScoreOption = Annotated[
    float,
    typer.Option("--min-score", min=0, max=1, metavar="SCORE", help="Only calls with at least this score."),
]
ConfirmedOption = Annotated[
    Path | None,
    typer.Option(
        "--confirmed-only",
        metavar="FILE",
        help="Only calls whose species a person confirmed or named, by a table of `anura-base export birdnet`.",
    ),
]
SitesOption = Annotated[
    Path | None,
    typer.Option(
        "--sites",
        metavar="FILE",
        help="CSV table of the sites: site, latitude, longitude, zone. Default: the one that a scan wrote beside the"
        " journal.",
    ),
]
ZoneOption = Annotated[
    str | None,
    typer.Option("--zone", metavar="ZONE", help="Time zone of sites that no table lists. Default: device.zone."),
]
LatitudeOption = Annotated[
    float | None, typer.Option("--latitude", min=-90, max=90, metavar="DEG", help="Latitude of these sites.")
]
LongitudeOption = Annotated[
    float | None, typer.Option("--longitude", min=-180, max=180, metavar="DEG", help="Longitude of these sites.")
]


ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="FOLDER",
        help="Folder of `anura-edge scan --out`. Default: the journal of state_dir.",
    ),
]


@dataclass(frozen=True, slots=True)
class Results:
    """Results of a journal with the places of their sites and the filter that was chosen."""

    reader: JournalReader
    places: dict[str, SitePlace]
    row_filter: RowFilter


def load_settings(config: Path | None, results: Path | None) -> Config:
    """Return the settings, with the journal in the folder of the results if one is named.

    Raises ConfigError.
    """
    folder = {"ANURA__STATE_DIR": str(expand_home(results))} if results else {}
    return load(Config, config, os.environ | folder)


def parse_formats(text: str | None) -> list[str]:
    """Return the names of formats, which commas separate. None: the usual ones.

    Raises ConfigError for an unknown one, or for one that needs a package that is not installed.
    """
    if text is None:
        return [*DEFAULT_FORMATS]
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in FORMATS]:
        raise ConfigError(f"--format {unknown[0]!r}: no such format; the formats are {', '.join(FORMATS)}")
    if any(name.startswith("parquet") for name in names):
        check_pyarrow()
    return names


def write_formats(settings: Config, names: list[str], out: Path, recordings: Path, *, per_recording: bool) -> None:
    """Write the results in the journal into a folder, in each of the formats. Files of earlier runs are replaced.

    Label tracks for Audacity are always one for each recording.

    Raises ConfigError if a file cannot be written; JournalError without results.
    """
    from anura_edge.results.formats.files import write_all, write_recordings

    with read_results(settings, RowFilter(), choose_places(settings), by_night=False) as results:
        context = FormatContext(results.places, str(recordings.absolute()))
        source = JournalSource(results.reader, context)
        for name in names:
            if name in CALL_FORMATS and (per_recording or name == "audacity"):
                count = write_recordings(name, source.calls(), context, out / name)
                typer.echo(f"{out / name}: {count:,} files", err=True)
            else:
                file, rows = out / f"{name}.{FORMATS[name].suffix}", "calls" if FORMATS[name].of_calls else "rows"
                typer.echo(f"{file}: {write_all(name, source, context, file):,} {rows}", err=True)


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
        yield Results(reader, of_sites, row_filter)


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
