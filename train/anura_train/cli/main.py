"""Train, evaluate and compare models for `anura-edge`."""

# The commands import what they need when they run: torch and scikit-learn take seconds to load, and the worker
# processes of a command import this module, too.

import typer

from anura_edge.terminal import run_command
from anura_train.cli import data, evaluation, screening, suggesting, training

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=__doc__)
data.app.command("screen")(screening.screen_command)
app.add_typer(data.app, name="data")
app.command("fit")(training.fit_command)
app.command("distill")(training.distill_command)
app.command("evaluate")(evaluation.evaluate_command)
app.command("suggest")(suggesting.suggest_command)
app.command("report")(evaluation.report_command)
app.command("compare")(evaluation.compare_command)
app.command("benchmark")(evaluation.benchmark_command)
app.command("models")(evaluation.models_command)


def main() -> None:
    """Run the command. A user error ends with a message and its exit code, not with a traceback."""
    run_command("anura-train", app)
