"""The commands `anura-base user` and `anura-base token`."""

import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cheap_passwords import PASSWORD, use_cheap_hashes
from sqlalchemy import Engine
from typer.testing import CliRunner

from anura_base.access import accounts, tokens
from anura_base.access.roles import Principal, Role
from anura_base.cli.main import app
from anura_base.db.engine import open_database
from anura_edge.errors import ConfigError

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def run(tmp_path: Path, engine, monkeypatch: pytest.MonkeyPatch):  # noqa: ANN001, ANN201
    """Run a command on the database of the test and return its output."""
    use_cheap_hashes(monkeypatch)
    (tmp_path / "password").write_text(PASSWORD + "\n")

    def command(*arguments: str) -> str:
        database = ["--database", str(engine.url)]
        done = CliRunner().invoke(app, [*arguments, *database], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return command


def test_password_is_read_from_a_file(run, engine, tmp_path) -> None:  # noqa: ANN001
    output = run("user", "add", "maria", "--role", "review", "--password-file", f"{tmp_path}/password")
    assert output == "maria has the role review\n"
    assert accounts.authenticate(engine, "maria", PASSWORD) == Principal("maria", Role.REVIEW)
    (user,) = json.loads(run("user", "list", "--json"))
    assert (user["name"], user["role"], user["disabled_utc"], user["sessions"]) == ("maria", "review", None, 0)
    assert "password_hash" not in user
    assert "maria" in run("user", "list")


def test_password_prompt_does_not_show_the_password(engine) -> None:  # noqa: ANN001
    command = [*COMMAND, "user", "add", "maria", "--role", "admin", "--database", str(engine.url)]
    # A program in between, because a process with threads cannot fork safely.
    with_terminal = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn({command!r})))"
    terminal, program_side = pty.openpty()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", with_terminal],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, program_side, number) for number in (0, 1, 2)],
    )
    os.close(program_side)
    output = b""
    for asked in (b"Password: ", b"confirmation: "):  # the command asks twice
        while asked not in output:
            output += os.read(terminal, 1_000)
        os.write(terminal, PASSWORD.encode() + b"\n")
    while b"maria has the role admin" not in output:
        output += os.read(terminal, 1_000)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert PASSWORD.encode() not in output
    assert accounts.authenticate(engine, "maria", PASSWORD)


@pytest.mark.parametrize("arguments", [[PASSWORD], ["--password", PASSWORD]])
def test_password_option_does_not_exist(arguments) -> None:  # noqa: ANN001
    assert CliRunner().invoke(app, ["user", "add", "maria", "--role", "view", *arguments]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["user", "add", "maria", "--role", "view"], "--password-file"),
        (["user", "add", "maria", "--role", "view", "--password-file", "/none"], "--password-file: cannot read"),
        (["user", "role", "jose", "view"], "no user jose"),
        (["user", "remove", "jose"], "no user jose"),
        (["user", "disable", "jose"], "no user jose"),
        (["token", "remove", "weekly"], "no token weekly"),
    ],
)
def test_error_has_its_remedy(run, arguments, message) -> None:  # noqa: ANN001
    with pytest.raises(ConfigError, match=message):
        run(*arguments)


def test_token_is_printed_once(run, engine) -> None:  # noqa: ANN001
    token = run("token", "add", "weekly").strip()
    assert token.startswith(tokens.PREFIX)
    output = run("token", "list", "--json")
    assert token not in output
    (listed,) = json.loads(output)
    assert (listed["name"], listed["role"], listed["used_utc"]) == ("weekly", "view", None)
    with engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM tokens").fetchall()
    assert token not in str(stored)
    run("token", "remove", "weekly")
    assert run("token", "list", "--json") == "[]\n"


def test_removal_of_the_last_user_is_reported(run, tmp_path) -> None:  # noqa: ANN001
    run("user", "add", "maria", "--role", "admin", "--password-file", f"{tmp_path}/password")
    run("user", "role", "maria", "admin")
    assert "there are no more users" in run("user", "remove", "maria")
