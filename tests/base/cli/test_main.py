"""The command `anura-base`: errors, exit codes, backup and export."""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anura_base.cli.main import main
from anura_base.db.engine import open_database
from anura_edge.store.journal import Journal

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process. Return exit code, stdout and stderr."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["anura-base", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    yield run_command
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_version_is_printed() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, timeout=60)
    assert re.fullmatch(r"anura-base \d+\.\d+\.\d+\n", done.stdout)


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
def test_error_is_one_line_with_remedy_and_exit_code(run: Run, options: list[str], code: int, message: str) -> None:
    exit_code, output, errors = run("run", *options)
    assert (exit_code, output) == (code, "")
    assert message in errors
    assert errors.count("\n") == 1


def test_backup_restore_and_export_overwrite_nothing(run: Run, tmp_path: Path) -> None:
    source, target = (f"--database=sqlite:///{tmp_path / name}.db" for name in ("source", "target"))
    open_database(f"sqlite:///{tmp_path / 'source.db'}").dispose()
    backup, table = str(tmp_path / "backup.db"), str(tmp_path / "effort.csv")
    export = ["export", "effort", "--out", table, target]
    for command in (["backup", backup, source], ["restore", backup, target], export):
        exit_code, output, errors = run(*command)
        assert (exit_code, errors) == (0, "")
        assert re.match(r"[01] rows", output)  # a new database has its identity
    for command in (["backup", backup, source], export, ["export", "x", target]):
        exit_code, output, errors = run(*command)
        assert (exit_code, output, errors.count("\n")) == (2, "", 1)


READERS = (
    ["export", "effort"],
    ["backup", "new.db"],
    ["user", "list"],
    ["token", "list"],
    ["token", "add", "x"],
    ["user", "remove", "maria"],
)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_missing_database_is_not_created(run: Run, tmp_path: Path, command: list[str]) -> None:
    exit_code, output, errors = run(*command, "--database", f"sqlite:///{tmp_path}/mistyped.db")
    assert (exit_code, output, errors.count("\n")) == (2, "", 1)
    assert "there is no database" in errors
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_empty_file_is_no_database(run: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "base.db").touch()
    exit_code, _, errors = run(*command, "--database", f"sqlite:///{tmp_path}/base.db")
    assert (exit_code, "there is no database" in errors) == (2, True)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


@pytest.mark.parametrize(
    "command", [["user", "add", "maria", "--role", "admin", "--password-file"], ["user", "list"]], ids=" ".join
)
def test_new_database_is_told(run: Run, tmp_path: Path, command: list[str]) -> None:
    """A mistyped name is seen where a new database may be meant."""
    path = tmp_path / "base.db"
    (tmp_path / "password").write_text("correct horse battery")
    files = [str(tmp_path / "password")] if command[-1].startswith("--") else []
    errors = run(*command, *files, "--database", f"sqlite:///{path}")[2]
    assert (f"made the new database {path}" in errors) == path.exists() == bool(files)
    assert "made the new" not in run(*command, *files, "--database", f"sqlite:///{path}")[2]


def test_database_with_a_table_of_our_name_is_not_changed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "calendar.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE events (day, title)")
    before = path.read_bytes()
    for command in (*READERS, ["run"]):
        exit_code, _, errors = run(*command, "--database", f"sqlite:///{path}")
        assert (exit_code, "is not a base station's database" in errors) == (2, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", [*READERS, ["run"], ["restore", "backup.db"]], ids=" ".join)
def test_file_of_another_program_is_not_changed(run: Run, tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    before = path.read_bytes()
    exit_code, output, errors = run(*command, "--database", f"sqlite:///{path}")
    assert (exit_code, output, errors.count("\n")) == (2, "", 1)
    assert "journal.db is not a base station's database" in errors
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]


def test_failed_export_leaves_no_file(run: Run, tmp_path: Path) -> None:
    path, table = tmp_path / "base.db", tmp_path / "effort.csv"
    open_database(f"sqlite:///{path}").dispose()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'effort'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:  # damage the table
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    exit_code, _, errors = run("export", "effort", "--out", str(table), "--database", f"sqlite:///{tmp_path}/base.db")
    assert (exit_code, errors.count("\n")) == (5, 1)
    assert not [*tmp_path.glob("effort*")]


def test_used_port_is_an_error(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exit_code, _, errors = run("run", "--database", f"sqlite:///{tmp_path}/base.db", "--web", f"127.0.0.1:{port}")
    assert exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors
