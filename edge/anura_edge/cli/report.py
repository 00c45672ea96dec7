"""The command `report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.cli.result_options import ResultOptions, with_result_options
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.errors import AnuraError, ConfigError

if TYPE_CHECKING:
    from anura_edge.results.journal_reader import AnalysingModel

KINDS = ("season", "night", "species")

MAX_CLIPS = 12


@with_result_options
def report(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New HTML file.")],
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="FOLDER", help="Also write the charts as PNG. Needs the extra `plots`."),
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option("--recordings", metavar="FOLDER", help="Folder that was scanned, for the example clips."),
    ] = None,
    *,
    chosen: ResultOptions,
) -> None:
    """Write one HTML page about the results in the journal, to send to a colleague. Needs no base station.

    Example: `anura-edge report season --zone America/Sao_Paulo --out season.html`

    season: calls by species and night. night: calls by species and hour of one night, the last one or that of --since.
    species: calls by site and night of the species in --species. Each page has the hours of calling, the effort, the
    faults of the recordings, and the best clip of each species. It loads nothing from a network.

    Exit codes: 0 written, 2 a wrong option or an existing file, 5 no results or an unusable journal.
    """
    from anura_edge.clips.examples import example_clips
    from anura_edge.results.new_file import create_file, refuse_existing
    from anura_edge.results.report.make import ReportKind, make_report
    from anura_edge.results.report.page import report_html

    if kind not in KINDS:
        raise ConfigError(f"there is no report {kind!r}; the reports are {', '.join(KINDS)}")
    if kind == "species" and not chosen.species:
        raise ConfigError("name a species with --species")
    out, folder = expand_home(out), recordings and expand_home(recordings)
    refuse_existing(out)
    with chosen.read() as results:
        settings, worth = results.settings, _worth(results.settings, results.reader.model)
        page = make_report(
            ReportKind(kind),
            results.reader,
            results.places,
            results.row_filter,
            lambda bouts: example_clips(settings, bouts, folder, MAX_CLIPS),
            worth,
        )
    if png:
        from anura_edge.results.report.plots import write_plots

        write_plots(page, expand_home(png))
    with create_file(out) as output:
        output.write(report_html(page).encode())
    typer.echo(f"{out}: {page.title}, {len(page.clips)} clips")


def _worth(settings: Config, model: "AnalysingModel") -> str:
    """Return how good the model is, if its bundle is the one that is used. Else nothing is known about it."""
    from anura_edge.cli.output import model_worth
    from anura_edge.updates.active import active_bundle

    try:
        bundle = active_bundle(settings)
    except AnuraError:
        return ""
    return model_worth(bundle.manifest, settings.detect.preset) if bundle.model_sha256 == model.sha256 else ""
