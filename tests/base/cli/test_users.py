"""`anura-base user` and `anura-base token`, as an admin types them."""

import json
import os
import pty
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anura_base.access import accounts, tokens
from anura_base.access.roles import Principal, Role
from anura_base.cli.main import app
from anura_edge.errors import ConfigError

COMMAND = [sys.executable, "-c", "from anura_base.cli.main import main; main()"]
PASSWORD = "frogs call after the rain"


@pytest.fixture
def run(tmp_path: Path, engine):  # noqa: ANN001, ANN201
    """Run a command on this test's database, and return what it prints."""
    (tmp_path / "password").write_text(PASSWORD + "\n")

    def command(*arguments: str) -> str:
        database = ["--database", str(engine.url)]
        done = CliRunner().invoke(app, [*arguments, *database], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return command


def test_the_password_comes_from_a_file(run, engine, tmp_path) -> None:  # noqa: ANN001
    said = run("user", "add", "maria", "--role", "review", "--password-file", f"{tmp_path}/password")
    assert said == "maria may review\n"
    assert accounts.authenticate(engine, "maria", PASSWORD) == Principal("maria", Role.REVIEW)
    (user,) = json.loads(run("user", "list", "--json"))
    assert (user["name"], user["role"], user["disabled_utc"], user["sessions"]) == ("maria", "review", None, 0)
    assert "password_hash" not in user
    assert "maria" in run("user", "list")


def test_the_password_is_asked_for_at_the_terminal_and_not_shown(engine) -> None:  # noqa: ANN001
    command = [*COMMAND, "user", "add", "maria", "--role", "admin", "--database", str(engine.url)]
    # A program in between, because a process with threads cannot simply become two.
    with_terminal = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn({command!r})))"
    ours, theirs = pty.openpty()
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", with_terminal],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, number) for number in (0, 1, 2)],
    )
    os.close(theirs)
    shown = b""
    for asked in (b"Password: ", b"confirmation: "):  # a second time, because nobody sees what is typed
        while asked not in shown:
            shown += os.read(ours, 1_000)
        os.write(ours, PASSWORD.encode() + b"\n")
    while b"maria may admin" not in shown:
        shown += os.read(ours, 1_000)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert accounts.authenticate(engine, "maria", PASSWORD)


@pytest.mark.parametrize("arguments", [[PASSWORD], ["--password", PASSWORD]])
def test_a_command_line_takes_no_password(arguments) -> None:  # noqa: ANN001
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
def test_a_mistake_is_named_with_its_remedy(run, arguments, message) -> None:  # noqa: ANN001
    with pytest.raises(ConfigError, match=message):
        run(*arguments)


def test_a_token_is_shown_once(run, engine) -> None:  # noqa: ANN001
    token = run("token", "add", "weekly").strip()
    assert token.startswith(tokens.PREFIX)
    shown = run("token", "list", "--json")
    assert token not in shown
    (listed,) = json.loads(shown)
    assert (listed["name"], listed["role"], listed["used_utc"]) == ("weekly", "view", None)
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM tokens").fetchall()
    assert token not in str(kept)
    run("token", "remove", "weekly")
    assert run("token", "list", "--json") == "[]\n"


def test_the_last_user_leaves_the_page_to_this_machine(run, tmp_path) -> None:  # noqa: ANN001
    run("user", "add", "maria", "--role", "admin", "--password-file", f"{tmp_path}/password")
    run("user", "role", "maria", "admin")
    assert "there is no user any more" in run("user", "remove", "maria")
