"""Starts a device in 20 ms: a process imports all modules once and forks for each run.

A run is the real `anura-edge` command from its `main` on, with its own arguments, environment and outputs. Only the
start of Python and the imports (0.8 s) are shared, so that a thousand crashes take minutes.
"""

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a process ended, and its output."""

    code: int
    """The exit code, or minus the signal that ended the process."""
    out: str
    err: str

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Return the objects of one kind that `--json` printed. An incomplete line at the end is left out."""
        complete = [line for line in self.out.splitlines(keepends=True) if line.endswith("\n")]
        return [value[kind] for value in map(json.loads, complete) if kind in value]


class ForkServer:
    """Runs one device after another. A context manager."""

    def __init__(self, folder: Path, preload: Path | None = None) -> None:
        """`preload` is a library for LD_PRELOAD."""
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        self._preload = {"LD_PRELOAD": str(preload)} if preload else {}

    def __enter__(self) -> "ForkServer":
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faultlab.fork_server"],
            env={**os.environ, "PYTHONPATH": path, **self._preload},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], kill_after_s: float | None = None
    ) -> RunResult:
        """Run `anura-edge` to its end, or kill it (SIGKILL) after `kill_after_s`."""
        assert self._process.stdin
        assert self._process.stdout
        outputs = str(self._out), str(self._err)
        print(json.dumps([arguments, environment, outputs, kill_after_s]), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return RunResult(code, self._out.read_text(), self._err.read_text())


def _serve() -> None:
    from anura_edge.cli.main import main

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for line in sys.stdin:
        arguments, environment, outputs, kill_after_s = json.loads(line)
        if not (pid := os.fork()):
            _set_up_child(arguments, environment, outputs)
            os._exit(_exit_code(main))  # without exit handlers: those of onnxruntime abort in a forked process
        if kill_after_s is not None and not signal.sigtimedwait([signal.SIGCHLD], kill_after_s):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        signal.sigtimedwait([signal.SIGCHLD], 0)  # clear the signal of this child for the next run
        print(os.waitstatus_to_exitcode(status), flush=True)


def _set_up_child(arguments: Sequence[str], environment: Mapping[str, str], outputs: tuple[str, str]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    for descriptor, path in zip((0, 1, 2), (os.devnull, *outputs), strict=True):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    os.environ.update(environment)
    sys.argv = ["anura-edge", *arguments]


def _exit_code(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve()
