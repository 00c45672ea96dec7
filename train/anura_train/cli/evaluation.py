"""The commands `anura-train evaluate`, `report`, `compare`, `benchmark` and `models`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_train.cli.data import read_and_check
from anura_train.cli.options import Data, Digits, Jobs, Out, Where
from anura_train.data import read_corpus
from anura_train.data.readers.layouts import layout_of
from anura_train.training.compute import Accelerator, ComputeSettings, Precision

if TYPE_CHECKING:
    from anura_train.evaluation.shipped import ShippedReport


def evaluate_command(
    data: Data,
    out: Out,
    robustness: Annotated[
        bool, typer.Option(help="Score the recordings again with noise, rain, other gains and other recorders.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="Folder of another evaluated training, whose figures the model card shows too.")
    ] = None,
) -> None:
    """Evaluate a training, calibrate the model and choose its thresholds.

    All metrics, more than are printed, are written to OUT/evaluation.json and OUT/evaluation.csv.

    Example: anura-train evaluate --data ../data --out build/train/student_stream --robustness
    """
    from anura_train.checkpoints.final import load_checkpoint
    from anura_train.evaluation.evaluate import evaluate
    from anura_train.evaluation.offset_delay import offset_delay_metrics
    from anura_train.evaluation.predictions import read_predictions, read_test_predictions
    from anura_train.evaluation.results import summary_of_test_part, write_evaluation
    from anura_train.evaluation.robustness import perturbed_predictions
    from anura_train.evaluation.shipped import write_shipped_report

    corpus = read_corpus(data)
    _print(write_shipped_report(out, corpus, baseline))
    recipe = load_checkpoint(out).provenance.recipe
    predictions = read_predictions(out, recipe, corpus)
    conditions = perturbed_predictions(out, recipe, corpus, predictions) if robustness else ()
    test = read_test_predictions(out, predictions, corpus)
    evaluation = evaluate(recipe, corpus, predictions, conditions, test)
    if robustness:
        figures = (*evaluation.figures, *offset_delay_metrics(out, recipe, predictions))
        evaluation = evaluation.model_copy(update={"figures": figures})
    write_evaluation(out, evaluation)
    for line in summary_of_test_part(evaluation):
        typer.echo(line)


def report_command(
    data: Data,
    out: Out,
    baseline: Annotated[
        Path | None, typer.Option(help="Folder of another training, evaluated on the same data, to compare with.")
    ] = None,
) -> None:
    """Write the results of `evaluate` as one page, OUT/report/index.html, and its plots as PNG files.

    Example: anura-train report --data ../data --out build/train/student_stream --baseline build/train/resnet18
    """
    from anura_train.checkpoints.final import load_checkpoint
    from anura_train.evaluation.predictions import read_predictions
    from anura_train.evaluation.results import load_evaluation
    from anura_train.report.embedding import embedding_plots
    from anura_train.report.page import write_report
    from anura_train.report.performance import make_candidate
    from anura_train.report.plot import OTHER_COLOUR, OWN_COLOUR

    corpus = read_corpus(data)
    candidates = []
    for folder, colour in ((out, OWN_COLOUR), (baseline, OTHER_COLOUR)):
        if folder:
            predictions = read_predictions(folder, load_checkpoint(folder).provenance.recipe, corpus)
            candidates.append(make_candidate(load_evaluation(folder), predictions, colour))
    plots = embedding_plots(load_checkpoint(out).model, corpus, corpus.labels())
    typer.echo(write_report(out / "report", candidates, tuple(plots)))


def compare_command(
    outs: Annotated[
        list[Path], typer.Argument(help="Folders of trainings. The first is the baseline of the comparison.")
    ],
    data: Data,
) -> None:
    """Print the metrics of trainings with the same folds, and how each differs from the first.

    Example: anura-train compare build/train/student_stream build/train/student_distilled --data ../data
    """
    from anura_train.benchmark.page import comparison_table
    from anura_train.benchmark.results import evaluate_folder
    from anura_train.checkpoints.final import load_checkpoint

    corpus = read_corpus(data)
    results = [evaluate_folder(out, load_checkpoint(out).provenance.recipe, corpus) for out in outs]
    typer.echo(comparison_table(results))


def benchmark_command(
    plan: Annotated[Path, typer.Option(help="YAML file with recipes and budgets, as train/benchmark.yaml.")],
    data: Data,
    out: Out,
    page: Annotated[Path, typer.Option(help="Markdown page for the tables.")],
    jobs: Jobs = 2,
    accelerator: Where = Accelerator.AUTO,
    precision: Digits = Precision.FULL,
) -> None:
    """Train and evaluate the recipes of a plan on the same folds, and on the test part if the data has one.

    The plan can also ask for a comparison of windows that are split at random and by group.

    After a kill, or with a longer plan, the same command continues: finished trainings are not repeated.

    Example: anura-train benchmark --plan train/benchmark.yaml --data ../data --out build/results --page results.md
    """
    from anura_train.benchmark.page import format_metric, write_page
    from anura_train.benchmark.plan import read_plan
    from anura_train.benchmark.runs import BenchmarkContext, run_plan
    from anura_train.training.processes import train_all

    listed = read_plan(plan)
    read_and_check(data, layout_of(data))
    train = partial(train_all, settings=ComputeSettings(accelerator, precision=precision), jobs=jobs)
    results = []
    for result in run_plan(listed, BenchmarkContext(data, out, plan.parent, train)):
        results.append(result)
        score = format_metric(result.evaluation, "macro-F1 tuned")
        typer.echo(f"{result.data}, {result.name}: macro-F1 {score}", err=True)
    write_page(page, results, listed.comparison)


def models_command(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes, YAML files as in train/recipes.")],
) -> None:
    """Print the size of the networks of recipes: parameters, multiply-adds for one second of audio, and input.

    Example: anura-train models train/recipes/*.yaml
    """
    from anura_train.benchmark.cost import cost_table, model_costs

    typer.echo(cost_table(model_costs(recipes)))


def _print(report: "ShippedReport") -> None:
    for metric in report.metrics:
        interval = "" if metric.low is None else f" [{metric.low:.2f}, {metric.high:.2f}]"
        typer.echo(f"{metric.name:45} {metric.value:6.2f}{interval} {metric.unit}")
    typer.echo(f"\n{'species':10} {'threshold':>9} {'AP':>6} {'found':>6} {'wrong':>6}")
    for row in report.species:
        typer.echo(f"{row.code:10} {row.threshold:9.2f} {row.average_precision:6.2f} {row.found:6d} {row.wrong:6d}")
