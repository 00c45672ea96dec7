"""The command `join`."""

from pathlib import Path
from typing import Annotated

import typer


def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Join file, as `anura-base provision` makes it.")],
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="Settings file to change. It is made if needed.")
    ] = Path("/etc/anura/anura.yaml"),
) -> None:
    """Connect this device to a base station: take site, name, broker and secrets from a join file.

    Example: `anura-edge join pond-one.join`, as root

    The secrets are written into the folder `credentials` beside the settings, readable for the service only. No secret
    is printed.
    """
    from anura_edge.config.joining import apply_join_file
    from anura_edge.wire.join_file import read_join_file

    found = read_join_file(file)
    apply_join_file(found, config)
    typer.echo(f"this device is {found.username} at {found.host}; {config} names its secrets")
    typer.echo(f"Delete {file}, because it contains the secrets. Then restart the service.")
