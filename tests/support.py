"""Real programs that several tests use: broker, database server, sound server. A missing one skips the test."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

DEADLINE_S = 90.0
"""Long enough for the slowest machine; a test that waits this long has failed."""


def eventually(check: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """Call `check` until its result is true, and return it."""
    deadline = time.monotonic() + deadline_s
    while not (result := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return result


def need(program: str, folders: str = "") -> str:
    """Return a program's path. If it is missing, skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{folders}")
    return path or missing(f"{program} is not installed; deploy/system-packages test installs it on Debian as root")


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it if ANURA_REQUIRE_REAL is set."""
    if os.environ.get("ANURA_REQUIRE_REAL"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def tmpfs(folder: Path, *options: str) -> Iterator[None]:
    """Mount a new file system at a folder. Skip the test if that is not allowed."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(["size=64m", *options]), "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: not root, or a container without CAP_SYS_ADMIN")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free_port() -> int:
    """Return an unused TCP port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """Debian's mosquitto, which can be stopped, killed and started again on its port."""

    folder: Path
    port: int
    settings: str = "allow_anonymous true\n"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        config = self.folder / "mosquitto.conf"
        # As root it would switch to another user, who cannot read the folder of the test.
        config.write_text(f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\n{self.settings}")
        self.process = subprocess.Popen([need("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL)
        eventually(self._answers)

    def stop(self) -> None:
        """End it cleanly."""
        if self.process:
            self.process.terminate()
            self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "mosquitto ended by itself"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass
class PostgreSql:
    """A PostgreSQL server for one test run, with an empty database."""

    folder: Path
    """Created by `start`, removed by `stop`."""
    port: int

    @property
    def url(self) -> str:
        """The database URL for SQLAlchemy."""
        return f"postgresql+psycopg://anura@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it accepts connections. Skip the test if it is not installed."""
        self.folder.mkdir()
        # PostgreSQL refuses to run as root, so root runs it as another user.
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self._run("initdb", "-D", self._data, "-U", "anura", "-A", "trust", "-E", "UTF8", "--no-sync")
        # No test cuts the power, so commits need not wait for the disk.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """End it, and delete its data."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str | Path) -> None:
        # On Debian these programs are not in the PATH, but in one folder per version.
        folders = os.pathsep.join(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))))
        command = [need(program, folders), *arguments]
        user = "nobody" if os.geteuid() == 0 else None
        subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


@dataclass
class PulseAudio:
    """A sound server with a virtual microphone, which can be killed and started again."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which PortAudio's device `pulse` records what `paplay` plays."""
        return {
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder / 'socket'}",
            "PULSE_SINK": "pond",
            "PULSE_SOURCE": "pond.monitor",
            "ANURA__AUDIO__TRUST_CLOCK": "true",  # a test machine may have neither NTP nor a battery
        }

    def start(self) -> None:
        socket = self.folder / "socket"
        socket.unlink(missing_ok=True)
        options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-level=error"]
        modules = [
            f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
            "module-null-sink sink_name=pond rate=48000",
        ]
        loads = [part for module in modules for part in ("--load", module)]
        self.process = subprocess.Popen([need("pulseaudio"), *options, *loads], env={**os.environ, **self.environment})
        eventually(socket.exists)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def play(self, sound: Path) -> None:
        subprocess.run([need("paplay"), str(sound)], env={**os.environ, **self.environment}, check=True)
