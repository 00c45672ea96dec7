"""Run `anura-edge explore` as a process, with a small model."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile as sf
from support import DEADLINE_S

from anura_edge.audio import FloatArray

COMMAND = [sys.executable, "-W", "error", "-c", "from anura_edge.cli.main import main; main()"]


@dataclass
class Explored:
    """`anura-edge explore`, as a process."""

    process: subprocess.Popen[str]
    url: str
    temporary: Path
    """Its folder for temporary files."""
    arguments: tuple[Path, ...]
    """Bundle and recordings."""

    @property
    def stored_files(self) -> list[Path]:
        """The uploads that it stores at the moment."""
        return [file for file in self.temporary.rglob("*") if file.is_file()]

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors


@pytest.fixture
def command() -> list[str]:
    return COMMAND


@pytest.fixture(scope="session")
def settings() -> dict[str, str]:
    """Return an environment without this machine's settings and without a screen."""
    hidden = ("ANURA__", "DISPLAY", "WAYLAND")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


@pytest.fixture(scope="module")
def explore(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Explored]]:
    """Start a server, or return the running one: `explore(bundle, file, ...)`."""
    started: list[Explored] = []

    def start(bundle: Path, *recordings: Path) -> Explored:
        arguments = bundle, *recordings
        for server in started:
            if server.arguments == arguments and server.process.poll() is None:
                return server
        temporary = tmp_path_factory.mktemp("temporary")
        process = subprocess.Popen(
            [*COMMAND, "explore", *map(str, recordings)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**settings, "ANURA__MODEL__BUNDLE": str(bundle), "TMPDIR": str(temporary)},
        )  # fmt: skip
        assert process.stdout
        url = re.search(r"http://\S+/", process.stdout.readline())
        assert url, process.communicate()[1]
        started.append(Explored(process, url[0], temporary, arguments))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory, two_calls: Callable[..., FloatArray]) -> Path:
    """Write two calls, at another rate than the model's."""
    path = tmp_path_factory.mktemp("card") / "A_20261120_193000.wav"
    sf.write(path, two_calls(22_050), 22_050)
    return path
