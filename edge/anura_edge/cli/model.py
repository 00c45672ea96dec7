"""The commands of the group `model`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import BundleArgument, ConfigOption, JsonOption
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle

app = typer.Typer(help="Show, verify and install model bundles.", no_args_is_help=True)


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
    as_json: JsonOption = False,
) -> None:
    """Check a bundle's files against its manifest, and the model's scores for its golden clip.

    Example: `anura-edge model verify`
    """
    from anura_edge.inference.golden import golden_difference
    from anura_edge.inference.loading import load_classifier

    loaded = load_bundle(bundle, public_key)
    difference = golden_difference(loaded, load_classifier(loaded))
    if as_json:
        values = {"path": str(loaded.path), "files": [*loaded.manifest.files], "golden_difference": difference}
        typer.echo(json.dumps({**values, "model_sha256": loaded.model_sha256, "is_signed": bool(public_key)}))
        return
    signed = f"signed for {public_key}, " if public_key else ""
    typer.echo(
        f"{loaded.path}: {signed}{len(loaded.manifest.files)} files as listed, golden scores within {difference:.1g}"
    )


@app.command()
def install(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="A bundle as a zip file, or its https:// address.")],
    config: ConfigOption = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Install a bundle without a signature.")] = False,
    allow_slower: Annotated[
        bool, typer.Option("--allow-slower", help="Install a bundle that needs more than five times the power.")
    ] = False,
) -> None:
    """Check a bundle, try it in a process of its own, and use it from the next start of the device on.

    Example: `anura-edge model install https://models.example.org/frogs-2.0.0.zip`

    The signature is checked with `model.public_key_file`. If the bundle fails later, the device goes back to the one
    before it, and tells the base station.
    """
    from anura_edge.updates.install import install as install_bundle
    from anura_edge.updates.slots import ModelSlots

    settings = load(Config, config)
    if settings.model.bundle:
        raise ConfigError("model.bundle in the settings names a bundle; remove it, then an installed one is used")
    key = None if unsigned else settings.model.public_key_file
    slots = ModelSlots(settings.models_path)
    bundle, measured = install_bundle(source, slots, key, unsigned=unsigned, allow_slower=allow_slower)
    manifest = bundle.manifest
    typer.echo(
        f"{manifest.title} ({manifest.id} {manifest.version}), licence {manifest.licence}: golden scores within "
        f"{measured.difference:.1g}, {1 / max(measured.s_per_audio_s, 1e-9):,.0f} x real time; "
        "used from the next start on"
    )


@app.command()
def rollback(config: ConfigOption = None) -> None:
    """Use the bundle before the installed one, from the next start of the device on.

    Example: `anura-edge model rollback`
    """
    from anura_edge.updates.slots import ModelSlots

    slots = ModelSlots(load(Config, config).models_path)
    if not slots.state.current:
        raise ConfigError("no bundle is installed: the one that is part of anura-edge is used")
    slots.roll_back(f"{slots.state.current} was rolled back by hand")
    typer.echo(f"used from the next start on: {slots.state.current or 'the bundle that is part of anura-edge'}")
