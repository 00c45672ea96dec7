"""The command `calling-index`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption, JsonOption
from anura_edge.cli.result_options import MinScoreOption, ResultsOption
from anura_edge.cli.results import load_settings, make_filter
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError


def compare_calling_index(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="CSV table of people's indices: recording, species, index; or weak_labels.csv of AnuraSet.",
        ),
    ],
    min_score: MinScoreOption = 0.0,
    results_folder: ResultsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the calling indices (0 to 3) that people gave to recordings with the proxy of the tables.

    Example: `anura-edge calling-index indices.csv --results results`

    The proxy counts the seconds of a minute that bouts fill. A recording is matched by its name without folder and
    suffix. The command prints for each species how many recordings have equal indices, or indices that differ by at
    most 1, and Cohen's kappa with quadratic weights: 1 is perfect, 0 is chance.

    Exit codes: 0 compared, 2 a wrong option or table, or nothing to compare, 5 no results or an unusable journal.
    """
    from anura_edge.results.formats.parts import FormatContext
    from anura_edge.results.index_comparison import compare_indices, read_indices
    from anura_edge.results.journal_reader import open_results
    from anura_edge.updates.active import active_bundle

    indices, settings = read_indices(expand_home(labels)), load_settings(config, results_folder)
    names = {label.code: label.scientific_name for label in active_bundle(settings).manifest.labels}
    with open_results(settings.journal_path, make_filter(None, None, None, None, min_score, None)) as reader:
        found = compare_indices(indices, reader.calls(FormatContext({})), reader.analysed_recordings(), names)
    if not found:
        raise ConfigError(
            f"{labels} has no recording that was analysed with a species of the model; its recordings are matched by"
            " their names without folder and suffix"
        )
    for each in found:
        values = {"equal": each.equal, "within_one": each.within_one, "kappa": each.kappa}
        if as_json:
            typer.echo(json.dumps({**asdict(each), **values}))
            continue
        kappa = "" if each.kappa is None else f"  kappa {each.kappa:5.2f}"
        shares = f"equal {each.equal:4.0%}  within 1 {each.within_one:4.0%}{kappa}"
        typer.echo(f"{each.species:<30} {each.recordings:>6} recordings  {shares}")
