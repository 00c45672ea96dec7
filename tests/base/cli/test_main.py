"""The command `anura-base`: errors, exit codes, backup and export."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)


def test_version_is_printed() -> None:
    assert re.fullmatch(r"anura-base \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--config", "/none.yaml"], 2, "/none.yaml"),
        (["--mqtt", "nonsense"], 2, "HOST:PORT"),
        (["--database", "sqlite://"], 2, "name a file"),
        (["--database", "mysql://localhost/x"], 2, "database"),
        (["--database", "sqlite:////none/base.db"], 5, "check the path"),
    ],
)
def test_error_is_one_line_with_remedy_and_exit_code(options: list[str], code: int, message: str) -> None:
    done = run("run", *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_backup_restore_and_export_overwrite_nothing(tmp_path: Path) -> None:
    here, there = (f"--database=sqlite:///{tmp_path / name}.db" for name in ("here", "there"))
    backup, table = str(tmp_path / "backup.db"), str(tmp_path / "effort.csv")
    for command in (["backup", backup, here], ["restore", backup, there], ["export", "effort", "--out", table, there]):
        done = run(*command)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("0 rows")
    for command in (["backup", backup, here], ["export", "effort", "--out", table, there], ["export", "x", there]):
        done = run(*command)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_used_port_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("run", "--database", f"sqlite:///{tmp_path}/base.db", "--web", f"127.0.0.1:{port}")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
