"""The commands of the group `clips`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import JsonOption
from anura_edge.cli.result_options import ResultOptions, with_result_options
from anura_edge.config.paths import expand_home

app = typer.Typer(help="Audio of the calls.", no_args_is_help=True)


@app.command()
@with_result_options
def extract(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the clips, by species.")],
    recordings: Annotated[
        Path | None,
        typer.Option("--recordings", metavar="FOLDER", help="Folder that was scanned. Default: only saved clips."),
    ] = None,
    per_species: Annotated[
        int, typer.Option("--per-species", min=1, max=100_000, metavar="N", help="Most clips of each species.")
    ] = 20,
    by_score_bins: Annotated[
        bool,
        typer.Option("--by-score-bins", help="Equally many of each tenth of the scores, instead of the best."),
    ] = False,
    as_json: JsonOption = False,
    *,
    chosen: ResultOptions,
) -> None:
    """Write the audio of calls as WAV files with GUANO, to check or label them. Needs no base station.

    Example: `anura-edge clips extract --recordings /media/card/Data --per-species 20 --by-score-bins --out clips`

    A clip begins `clips.before_s` before its call and ends `clips.after_s` after it. Files that exist are not written
    again.

    Exit codes: 0 written, 2 a wrong option, 5 no results or an unusable journal.
    """
    from anura_edge.clips.extract import choose_bouts, extract_clips

    folder = expand_home(out)
    with chosen.read(by_night=chosen.has_nights) as results:
        bouts, model = results.bouts(), results.reader.model
        calls = choose_bouts(bouts, per_species, by_score_bins=by_score_bins)
    audio = recordings and expand_home(recordings)
    written = [*extract_clips(results.settings, calls, audio, f"{model.id} {model.version}", folder)]
    there = sum(1 for _ in folder.rglob("*.wav")) if folder.is_dir() else 0
    if as_json:
        typer.echo(json.dumps({"written": [*map(str, written)], "chosen": len(calls), "there": there}))
    else:
        typer.echo(f"{len(written)} new clips of {len(calls)} chosen calls; {there} clips in {folder}")
