"""The command `summary`."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption, JsonOption
from anura_edge.cli.result_options import ResultsOption
from anura_edge.cli.results import load_settings
from anura_edge.errors import ConfigError


def summary(
    minutes: Annotated[
        int,
        typer.Option(
            min=1, max=1_440, metavar="N", help="Length of the interval, which ends at the full minute of --until."
        ),
    ] = 60,
    until: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", help="End of the interval in UTC, as in 2026-11-20T22:00:00. Default: now."),
    ] = None,
    results_folder: ResultsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results of an interval in at most 51 bytes, as hex, for a LoRaWAN modem.

    Example: `anura-edge summary --minutes 60`

    deploy/lorawan/decoder.js decodes them for The Things Network and ChirpStack. It contains for each species the
    minutes with calls and a calling index, and the minutes analysed.

    Exit codes: 0 printed, 2 a wrong option, 5 no results or an unusable journal.
    """
    from anura_edge.results.interval_summary import summarise
    from anura_edge.results.journal_reader import open_results
    from anura_edge.results.rows import RowFilter
    from anura_edge.updates.active import active_bundle
    from anura_edge.wire.summary import encode_summary

    settings = load_settings(config, results_folder)
    end_utc = until.replace(tzinfo=UTC) if until else datetime.now(UTC)
    begin_utc = end_utc.replace(second=0, microsecond=0) - timedelta(minutes=minutes)
    labels = [label.code for label in active_bundle(settings).manifest.labels]
    with open_results(settings.journal_path, RowFilter()) as reader:
        try:
            result = summarise(reader, labels, begin_utc, minutes)
            payload = encode_summary(result).hex()
        except ValueError as error:
            raise ConfigError(f"--until: {error}") from error
    if as_json:
        species = [{**asdict(each), "label": labels[each.label]} for each in result.species]
        typer.echo(json.dumps({"hex": payload, **asdict(result), "species": species}, default=str))
    else:
        typer.echo(payload)
