"""The page of all commands with their arguments and options, read from typer."""

import inspect
import re
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from anura_base.cli.main import app as base
from anura_edge.cli.main import app as edge
from anura_export.cli import app as export
from anura_train.cli.main import app as train
from reference_pages.markdown import code, limits, page, table

PROGRAMS = {"anura-edge": edge, "anura-base": base, "anura-train": train, "anura-export": export}
HIDDEN = {"help", "install_completion", "show_completion"}
VALUES = {int: "whole number", float: "number", str: "text", Path: "path", datetime: "date"}


def commands_page() -> str:
    """Return the page of all commands."""
    return page(
        "Commands",
        "Every command prints its help with `--help`. [Exit codes](errors.md#exit-codes) are the same everywhere."
        " `anura-edge --install-completion`, and the same of `anura-base`, teach your shell to complete commands and"
        " options with the tab key.",
        *(part for name, app in PROGRAMS.items() for part in _program(name, app)),
    )


def _program(name: str, app: typer.Typer) -> Iterator[str]:
    command = typer.main.get_command(app)
    yield f"## {name}"
    yield _help(command)
    yield from _parameters(command)
    for words, sub in _subcommands(command, name):
        yield f"### {words}"
        yield _help(sub)
        yield from _parameters(sub)


def _subcommands(group: Any, words: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (click's types differ by version)
    for name, command in getattr(group, "commands", {}).items():
        if getattr(command, "commands", None):
            yield from _subcommands(command, f"{words} {name}")
        else:
            yield f"{words} {name}", command


def _help(command: Any) -> str:  # noqa: ANN401
    text = inspect.cleandoc(command.help or "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return "\n\n".join(_example(paragraph) for paragraph in paragraphs)


def _example(paragraph: str) -> str:
    """Show an example as code, whether or not the help marks it so."""
    found = re.fullmatch(r"Example: `?(.*?)`?", paragraph)
    return f"Example: {code(found[1])}" if found else paragraph


def _parameters(command: Any) -> Iterator[str]:  # noqa: ANN401
    rows = [_row(parameter) for parameter in command.params if parameter.name not in HIDDEN and not parameter.hidden]
    if rows:
        yield table(("argument or option", "value", "default", "meaning"), rows)


def _row(parameter: Any) -> tuple[str, str, str, str]:  # noqa: ANN401
    if parameter.param_type_name == "argument":
        name = code((parameter.metavar or parameter.name).upper().strip("[]{}."))
    else:
        name = ", ".join(code(option) for option in [*parameter.opts, *parameter.secondary_opts])
    is_flag = getattr(parameter, "is_flag", False)
    value = "" if is_flag else _value(parameter)
    meaning = " ".join((parameter.help or "").split())
    return name, value, _default(parameter), meaning


def _value(parameter: Any) -> str:  # noqa: ANN401
    annotation = parameter.type_descriptor.annotation
    several = " ..." if parameter.multiple or parameter.nargs != 1 else ""
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(code(str(choice.value)) for choice in annotation) + several
    if get_origin(annotation) is Literal:
        return ", ".join(code(str(choice)) for choice in get_args(annotation)) + several
    bounds = limits(parameter.min, parameter.max)
    return VALUES.get(annotation, "text") + (f", {bounds}" if bounds else "") + several


def _default(parameter: Any) -> str:  # noqa: ANN401
    default = parameter.default
    if parameter.required:
        return "required"
    if default in (None, False, (), []) or not parameter.show_default:
        return ""
    if default is True:
        return code(str(parameter.opts[0]))
    if isinstance(default, Path) and default.is_absolute():
        return ""  # it depends on the machine
    return code(str(default.value if isinstance(default, Enum) else default))
