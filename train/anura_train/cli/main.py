"""The command `anura-train`."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.errors import AnuraError
from anura_train.benchmark import runs as results
from anura_train.benchmark.cost import cost_table, model_costs
from anura_train.benchmark.page import comparison_table, format_metric, write_page
from anura_train.benchmark.plan import read_plan
from anura_train.checkpoints.final import load_checkpoint
from anura_train.cli import data as data_commands
from anura_train.data import read_corpus
from anura_train.data.folds import published_fold_count
from anura_train.data.readers.layouts import layout_of
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.offset_delay import offset_delay_metrics
from anura_train.evaluation.predictions import read_predictions, read_test_predictions
from anura_train.evaluation.results import load_evaluation, summary_of_test_part, write_evaluation
from anura_train.evaluation.robustness import perturbed_predictions
from anura_train.evaluation.shipped import ShippedReport, write_shipped_report
from anura_train.recipe import Recipe, read_recipe
from anura_train.report.embedding import embedding_plots
from anura_train.report.page import write_report
from anura_train.report.performance import make_candidate
from anura_train.report.plot import OTHER_COLOUR, OWN_COLOUR
from anura_train.training.processes import Accelerator, ComputeSettings, Precision, TrainingTask, train_all

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=__doc__)
app.add_typer(data_commands.app, name="data")

Data = Annotated[Path, typer.Option(help="Folder with recordings.csv, or with frogs/, background/ and esc10/.")]
Out = Annotated[Path, typer.Option(help="Folder for what training leaves behind.")]


RecipeFile = Annotated[Path, typer.Option(help="YAML file, see train/recipes.")]
Variants = Annotated[list[str], typer.Option(help="Change the recipe as it says under this name; repeatable.")]
Pretrained = Annotated[
    Path | None, typer.Option(help="Weights that the network begins with, in place of the recipe's model.pretrained.")
]
Fold = Annotated[int | None, typer.Option(help="Only this fold; all of them and the final model by default.")]
Jobs = Annotated[int, typer.Option(min=1, help="Trainings at a time, one core each.")]
Where = Annotated[Accelerator, typer.Option(help="Where to train.")]
Devices = Annotated[int, typer.Option(min=1, help="GPUs that share each training.")]
Digits = Annotated[Precision, typer.Option(help="bf16-mixed is faster on a GPU.")]
Tensorboard = Annotated[bool, typer.Option(help="Write OUT/tensorboard as well as OUT/log.")]
Workers = Annotated[
    int | None, typer.Option(min=0, help="Threads that make examples ahead; by default 8 for a GPU, none for a CPU.")
]


@app.command("fit")
def fit_command(
    recipe: RecipeFile,
    data: Data,
    out: Out,
    variant: Variants = [],  # noqa: B006  # typer copies it
    pretrained: Pretrained = None,
    fold: Fold = None,
    jobs: Jobs = 2,
    accelerator: Where = Accelerator.AUTO,
    devices: Devices = 1,
    precision: Digits = Precision.FULL,
    tensorboard: Tensorboard = False,
    workers: Workers = None,
) -> None:
    """Train a recipe: a model for each fold, to test it, and the final one on everything.

    A training that was killed goes on when the same command is given again.

    Example: anura-train fit --recipe train/recipes/student_stream.yaml --data ../data --out build/train/student_stream
    """
    place = ComputeSettings(accelerator, devices, precision, tensorboard, workers)
    weights = {"model": {"pretrained": pretrained}} if pretrained else None
    _train(read_recipe(recipe, variant, weights), data, out, fold, place, jobs, ())


@app.command("distill")
def distill_command(
    recipe: RecipeFile,
    teacher: Annotated[
        list[Path], typer.Option(help="Folder that `fit` left of a recipe with the same folds; repeatable.")
    ],
    data: Data,
    out: Out,
    variant: Variants = [],  # noqa: B006  # typer copies it
    fold: Fold = None,
    jobs: Jobs = 2,
    accelerator: Where = Accelerator.AUTO,
    devices: Devices = 1,
    precision: Digits = Precision.FULL,
    tensorboard: Tensorboard = False,
    workers: Workers = None,
) -> None:
    """Train a recipe as `fit` does, beside teachers that say what they hear in each of its examples.

    A fold's student has the teachers of that fold, who heard nothing of what it is tested on either.

    Example: anura-train distill --recipe train/recipes/student_distilled.yaml --teacher build/train/teacher_yamnet
    --data ../data --out build/train/student_distilled
    """
    place = ComputeSettings(accelerator, devices, precision, tensorboard, workers)
    _train(read_recipe(recipe, variant), data, out, fold, place, jobs, tuple(teacher))


def _train(
    settings: Recipe,
    data: Path,
    out: Path,
    fold: int | None,
    place: ComputeSettings,
    jobs: int,
    teachers: tuple[Path, ...],
) -> None:
    corpus = data_commands.examine(data, layout_of(data))
    if (own := published_fold_count(corpus)) and own != settings.folds:
        typer.echo(f"The data comes in {own} folds of its own; they take the place of the recipe's {settings.folds}.")
        settings = settings.model_copy(update={"folds": own})
    wanted: list[int | None] = [*range(settings.folds), None] if fold is None else [fold]
    train_all([TrainingTask(settings.id, settings, data, out, each, teachers) for each in wanted], place, jobs)


@app.command("models")
def models_command(
    recipes: Annotated[list[Path], typer.Argument(help="YAML files, see train/recipes.")],
) -> None:
    """List the networks of recipes: parameters, multiply-adds for a second of sound, input.

    Example: anura-train models train/recipes/*.yaml
    """
    typer.echo(cost_table(model_costs(recipes)))


@app.command("evaluate")
def evaluate_command(
    data: Data,
    out: Out,
    robustness: Annotated[
        bool, typer.Option(help="Hear the recordings again with noise, rain and other recorders.")
    ] = False,
) -> None:
    """Measure what `fit` left behind, calibrate it and choose thresholds.

    All figures, more than are shown, go to OUT/evaluation.json and OUT/evaluation.csv.

    Example: anura-train evaluate --data ../data --out build/train/student_stream --robustness
    """
    corpus = read_corpus(data)
    _print(write_shipped_report(out, corpus))
    recipe = load_checkpoint(out).provenance.recipe
    trial = read_predictions(out, recipe, corpus)
    conditions = perturbed_predictions(out, recipe, corpus, trial) if robustness else ()
    evaluation = evaluate(recipe, corpus, trial, conditions, read_test_predictions(out, trial, corpus))
    if robustness:
        figures = (*evaluation.figures, *offset_delay_metrics(out, recipe, trial))
        evaluation = evaluation.model_copy(update={"figures": figures})
    write_evaluation(out, evaluation)
    for line in summary_of_test_part(evaluation):
        typer.echo(line)


@app.command("report")
def report_command(
    data: Data,
    out: Out,
    baseline: Annotated[
        Path | None, typer.Option(help="Another such folder, evaluated on the same data, to compare with.")
    ] = None,
) -> None:
    """Show what `evaluate` measured as one page, OUT/report/index.html, with every picture beside it as a PNG.

    Example: anura-train report --data ../data --out build/train/student_stream --baseline build/train/resnet18
    """
    corpus = read_corpus(data)
    candidates = []
    for folder, colour in ((out, OWN_COLOUR), (baseline, OTHER_COLOUR)):
        if folder:
            trial = read_predictions(folder, load_checkpoint(folder).provenance.recipe, corpus)
            candidates.append(make_candidate(load_evaluation(folder), trial, colour))
    plates = embedding_plots(load_checkpoint(out).model, corpus, corpus.labels())
    typer.echo(write_report(out / "report", candidates, tuple(plates)))


@app.command("compare")
def compare_command(
    outs: Annotated[
        list[Path], typer.Argument(help="Folders that `fit` or `distill` left; the first is compared with.")
    ],
    data: Data,
) -> None:
    """Put trainings of the same folds side by side, and say by how much each differs from the first.

    Example: anura-train compare build/train/student_stream build/train/student_distilled --data ../data
    """
    corpus = read_corpus(data)
    runs = [results.evaluate_folder(out, load_checkpoint(out).provenance.recipe, corpus) for out in outs]
    typer.echo(comparison_table(runs))


@app.command("results")
def results_command(
    plan: Annotated[Path, typer.Option(help="YAML file that lists recipes and budgets, see train/results.yaml.")],
    data: Data,
    out: Out,
    page: Annotated[Path, typer.Option(help="Markdown page to write the tables into.")],
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at a time, one core each.")] = 2,
    accelerator: Annotated[Accelerator, typer.Option(help="Where to train.")] = Accelerator.AUTO,
    precision: Annotated[Precision, typer.Option(help="bf16-mixed is faster on a GPU.")] = Precision.FULL,
) -> None:
    """Train and judge many recipes on the same folds, and on the part `test` of the data where it has one.

    The plan may ask for windows that are split at random beside the same windows split by group as well.

    Give it again after a kill, or with a longer list: what is done is not done again.

    Example: anura-train results --plan train/results.yaml --data ../data --out build/results --page results.md
    """
    listed = read_plan(plan)
    data_commands.examine(data, layout_of(data))
    train = partial(train_all, place=ComputeSettings(accelerator, precision=precision), jobs=jobs)
    bench = results.BenchmarkContext(data, out, plan.parent, train)
    runs = []
    for run in results.run_plan(listed, bench):
        runs.append(run)
        typer.echo(f"{run.data}, {run.name}: macro-F1 {format_metric(run.evaluation, 'macro-F1 tuned')}", err=True)
    write_page(page, runs, listed.comparison)


def _print(report: ShippedReport) -> None:
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
