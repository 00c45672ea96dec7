"""The command `anura-train`."""

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import torch
import typer

from anura_edge.errors import AnuraError
from anura_train import data_commands
from anura_train.data import read_corpus
from anura_train.data.read import layout_of
from anura_train.evaluate import Report, evaluate
from anura_train.jobs import fit_final, fit_fold
from anura_train.recipe import Recipe, read_recipe

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=__doc__)
app.add_typer(data_commands.app, name="data")

Data = Annotated[Path, typer.Option(help="Folder with recordings.csv, or with frogs/, background/ and esc10/.")]
Out = Annotated[Path, typer.Option(help="Folder for what training leaves behind.")]

REPORT_EVERY = 50


@app.command("fit")
def fit_command(
    recipe: Annotated[Path, typer.Option(help="YAML file, see train/recipes.")],
    data: Data,
    out: Out,
    fold: Annotated[
        int | None, typer.Option(help="Only this fold; all of them and the final model by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, one core each.")] = 2,
) -> None:
    """Train a recipe: a model for each fold, to test it, and the final one on everything.

    Example: anura-train fit --recipe train/recipes/stream.yaml --data ../data --out build/train/stream
    """
    settings = read_recipe(recipe)
    data_commands.examine(data, layout_of(data))
    out.mkdir(parents=True, exist_ok=True)
    wanted: list[int | None] = [*range(settings.folds), None] if fold is None else [fold]
    # Spawned, not forked: a forked torch may wait for ever on threads that the fork left behind.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_train, settings, data, out, each) for each in wanted]
        for done in as_completed(running):
            done.result()


@app.command("evaluate")
def evaluate_command(data: Data, out: Out) -> None:
    """Measure what `fit` left behind, calibrate it and choose thresholds.

    Example: anura-train evaluate --data ../data --out build/train/stream
    """
    _print(evaluate(out, read_corpus(data)))


def _train(recipe: Recipe, data: Path, out: Path, fold: int | None) -> None:
    """Run one training in a process of its own, on one core."""
    torch.set_num_threads(1)
    name = "final" if fold is None else f"fold {fold}"

    def on_step(step: int, loss: float) -> None:
        if step % REPORT_EVERY == 0 or step == recipe.steps:
            typer.echo(f"{recipe.id}, {name}: step {step} of {recipe.steps}, loss {loss:.3f}", err=True)

    corpus = read_corpus(data)
    if fold is None:
        fit_final(recipe, corpus, out, on_step)
    else:
        fit_fold(recipe, corpus, fold, out, on_step)


def _print(report: Report) -> None:
    for metric in report.metrics:
        interval = "" if metric.low is None else f" [{metric.low:.2f}, {metric.high:.2f}]"
        typer.echo(f"{metric.name:45} {metric.value:6.2f}{interval} {metric.unit}")
    typer.echo(f"\n{'species':10} {'threshold':>9} {'AP':>6} {'found':>6} {'wrong':>6}")
    for row in report.species:
        typer.echo(f"{row.code:10} {row.threshold:9.2f} {row.average_precision:6.2f} {row.found:6d} {row.wrong:6d}")


def main() -> None:
    """Run the command; an error that we raise on purpose is a message and its exit code, not a traceback."""
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-train: {error}", err=True)
        sys.exit(error.exit_code)
