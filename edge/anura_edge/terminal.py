"""Runs a command line program: its output streams, and how an error ends it."""

import io
import os
import sys
from collections.abc import Callable

from anura_edge.errors import AnuraError, ExitCode


def run_command(program: str, command: Callable[[], object]) -> None:
    """Run a command. A user error ends with a message and its exit code, without a traceback."""
    _escape_unprintable()
    try:
        command()
    except AnuraError as error:
        sys.stderr.write(f"{program}: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of the output has closed the pipe
        discard_output()
        sys.exit(ExitCode.FAILED)


def discard_output() -> None:
    """Send everything that is printed from now on to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escape_unprintable() -> None:
    # A character that the terminal's encoding lacks would end the program.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
