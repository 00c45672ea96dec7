"""The command `anura-export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.errors import AnuraError
from anura_export.bundle import export

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Turn a trained model into a bundle that a device can verify."""


@app.command()
def bundle(
    trained: Annotated[Path, typer.Option(help="The folder that `anura-train fit` and `evaluate` wrote.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; replaced once the new one has passed every check.")],
) -> None:
    """Export, prove parity (torch, ONNX Runtime, any chunking) and write model, manifest, card and golden scores.

    Example: anura-export bundle --trained build/train/student_stream --out build/models/student_stream
    """
    made, parity = export(trained, out)
    size_kb = sum((made.path / name).stat().st_size for name in made.manifest.files) / 1000
    typer.echo(
        f"{made.path}: {made.manifest.id} {made.manifest.version}, {size_kb:,.0f} kB; largest differences: "
        f"torch to ONNX {parity.torch_to_onnx:.1g}, chunked to whole {parity.chunked_to_whole:.1g}"
    )


def main() -> None:
    """Run the command; an error that we raise on purpose is a message and its exit code, not a traceback."""
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-export: {error}", err=True)
        sys.exit(error.exit_code)
