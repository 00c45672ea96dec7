"""The commands of the group `model`."""

from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import BundleArgument, JsonOption
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle

app = typer.Typer(help="Show and verify model bundles.", no_args_is_help=True)


@app.command()
def info(bundle: BundleArgument = DEFAULT_BUNDLE, as_json: JsonOption = False) -> None:
    """Print a model's species, metrics and licence.

    Example: `anura-edge model info`
    """
    from anura_edge.cli.output import bundle_text

    loaded = load_bundle(bundle)
    typer.echo(loaded.manifest.model_dump_json() if as_json else bundle_text(loaded))


@app.command()
def verify(
    bundle: BundleArgument = DEFAULT_BUNDLE,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check the signature, too, with this public key (PEM, Ed25519).")
    ] = None,
) -> None:
    """Check a bundle's files against its manifest, and the model's scores for its golden clip.

    Example: `anura-edge model verify`
    """
    from anura_edge.inference.golden import golden_difference
    from anura_edge.inference.loading import load_classifier

    loaded = load_bundle(bundle, public_key)
    difference = golden_difference(loaded, load_classifier(loaded))
    signed = f"signed for {public_key}, " if public_key else ""
    typer.echo(
        f"{loaded.path}: {signed}{len(loaded.manifest.files)} files as listed, golden scores within {difference:.1g}"
    )
