"""The options of the commands that read results from a journal: which results, where they are, and their sites."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.results import Results, choose_places, load_settings, make_filter, read_results

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
class ResultOptions:
    """The options that `export` and `report` share. A command takes them by `with_result_options`."""

    since: SinceOption = None
    until: UntilOption = None
    site: SiteOption = None
    species: SpeciesOption = None
    min_score: MinScoreOption = 0.0
    confirmed_only: ConfirmedOption = None
    sites: SitesOption = None
    zone: ZoneOption = None
    latitude: LatitudeOption = None
    longitude: LongitudeOption = None
    results_folder: ResultsOption = None
    config: ConfigOption = None

    @property
    def has_nights(self) -> bool:
        """Whether nights are selected."""
        return self.since is not None or self.until is not None

    def read(self, *, by_night: bool = True) -> AbstractContextManager[Results]:
        """Open the selected results; see `read_results`.

        Raises ConfigError if an option or the settings are wrong.
        """
        settings = load_settings(self.config, self.results_folder)
        row_filter = make_filter(self.since, self.until, self.site, self.species, self.min_score, self.confirmed_only)
        places = choose_places(settings, self.sites, self.zone, self.latitude, self.longitude)
        return read_results(settings, row_filter, places, by_night=by_night)


def with_result_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of ResultOptions in place of its parameter `chosen`."""
    shared = inspect.signature(ResultOptions, eval_str=True).parameters
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "chosen"]

    @wraps(command)
    def run(**values: object) -> None:
        chosen = ResultOptions(**{name: values.pop(name) for name in shared})  # type: ignore[arg-type]
        command(**values, chosen=chosen)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
