"""Expands the paths in settings and arguments."""

import os
from pathlib import Path

STATE_HOME = Path("~/.local/state")
"""Default folder for the state of programs (XDG Base Directory Specification 0.8). `XDG_STATE_HOME` replaces it."""


def expand_state_dir(path: Path) -> Path:
    """Return the absolute path of a configured folder. One below `~/.local/state` follows `XDG_STATE_HOME`."""
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if home.is_absolute() and path.is_relative_to(STATE_HOME):  # the specification ignores a relative one
        return home / path.relative_to(STATE_HOME)
    return expand_home(path)


def expand_home(path: Path) -> Path:
    """Replace a leading `~` by the home folder. A user that does not exist is not replaced."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser raises RuntimeError then)
