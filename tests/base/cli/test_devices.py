"""The commands for devices and sites, as a person runs them."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from anura_base.db.engine import ack_secret
from anura_edge.errors import ExitCode
from anura_edge.wire import Ack, batch, device_key, topic

COMMAND = Path(sys.executable).parent / "anura-base"


@pytest.fixture
def run(engine: Engine):  # noqa: ANN201
    url = engine.url.render_as_string(hide_password=False)

    def run_command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([COMMAND, *words, "--database", url], capture_output=True, text=True, check=False)

    return run_command


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_commands_tell_what_changed_and_what_is_left_to_do(run, sender, make) -> None:  # noqa: ANN001
    sender.rows(make.event(1))
    assert "swamp-1" in run("device", "list").stdout
    renamed = run("device", "rename", "INCT04/swamp-1", "pond-1")
    assert "INCT04/swamp-1 is now INCT04/pond-1" in renamed.stdout
    assert "1 in events" in renamed.stdout
    assert "device.name" in renamed.stdout
    assert "INCT04 is now lake" in run("site", "rename", "INCT04", "lake").stdout
    for words in (("device", "rename", "lake/x", "y"), ("device", "remove", "lake"), ("site", "merge", "lake", "sea")):
        refused = run(*words)
        assert refused.returncode == ExitCode.CONFIG
        assert refused.stderr.startswith("anura-base: ")
        assert "Traceback" not in refused.stderr
    assert "is removed" in run("device", "remove", "lake/pond-1", "--with-rows").stdout


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_acknowledgement_is_signed_with_the_printed_key_of_its_device_only(run, sender, make) -> None:  # noqa: ANN001
    key = bytes.fromhex(run("device", "key", "swamp-1").stdout.strip())
    other = bytes.fromhex(run("device", "key", "swamp-2").stdout.strip())
    ((_, payload),) = sender.raw(topic("INCT04", "swamp-1", "event"), batch(uuid4(), 1, [make.event(1)]))
    ack = Ack.from_bytes(payload)
    assert ack.is_signed(key)
    assert not ack.is_signed(other)
    with sender.engine.connect() as connection:
        assert device_key(ack_secret(connection), "swamp-1") == key
