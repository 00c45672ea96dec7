"""The commands `base accept`, `site rename` and `device rename`: whose rows are, and which base station has them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError
from anura_edge.wire import is_name

if TYPE_CHECKING:
    from anura_edge.store.journal import Journal

base_app = typer.Typer(help="Choose the base station that acknowledges the rows.", no_args_is_help=True)
site_app = typer.Typer(help="Correct the name of a site.", no_args_is_help=True)
device_app = typer.Typer(help="Correct the name of a device.", no_args_is_help=True)

OldName = Annotated[str, typer.Argument(metavar="OLD", help="The name that the rows have.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The right name: letters, digits, `_` and `-`.")]


@base_app.callback()
@site_app.callback()
@device_app.callback()
def group() -> None:
    """Commands that change the journal. Stop the device first (`systemctl stop anura-edge`)."""


@base_app.command()
def accept(config: ConfigOption = None) -> None:
    """Accept the acknowledgements of another base station: the next one that acknowledges a row.

    Example: `anura-edge base accept`

    The device remembers its base station, so that rows are not divided between two. Stop the device first
    (`systemctl stop anura-edge`). `anura-edge resend --all` sends the other base station the rows of the past.
    """
    with _journal(config) as journal:
        journal.outbox.remember_base(None)
    typer.echo("the next base station that acknowledges a row is accepted")


@site_app.command("rename")
def rename_site(old: OldName, new: NewName, config: ConfigOption = None) -> None:
    """Give the rows of a site another name, and send them again. The base station takes the name from them.

    Example: `anura-edge site rename pnod pond`

    Stop the device first, and write the right name into its settings (`device.site`).
    """
    _rename("site", old, new, config)


@device_app.command("rename")
def rename_device(old: OldName, new: NewName, config: ConfigOption = None) -> None:
    """Give the rows of a device another name, and send them again. The base station takes the name from them.

    Example: `anura-edge device rename mic1 mic-1`

    Stop the device first, and write the right name into its settings (`device.name`).
    """
    _rename("device", old, new, config)


def _rename(column: Literal["site", "device"], old: str, new: str, config: ConfigOption) -> None:
    if not is_name(new):
        raise ConfigError(f"{new!r} is not a name; use up to 32 letters, digits, _ and -")
    with _journal(config) as journal:
        count = journal.outbox.rename(column, old, new)
    if not count:
        raise ConfigError(f"the journal has no row of the {column} {old!r}; `anura-edge doctor` names its file")
    typer.echo(f"{count} rows of the {column} {old} are now of {new}, and wait to be sent")


@contextmanager
def _journal(config: ConfigOption) -> "Iterator[Journal]":
    from anura_edge.app.lock import acquire_lock
    from anura_edge.store.recovery import open_journal

    settings = load(Config, config)
    path = settings.journal_path
    with closing(acquire_lock(path)), closing(open_journal(path, settings.device.owner)) as journal:
        yield journal
