"""Journals and base databases that earlier programs made are opened, and work goes on with them.

`earlier/` holds them. The first pair is of the program before the renaming. The journal has the six recordings of the
demo card, three of them not yet delivered, and the open effort of a microphone whose program was killed. The base
database has the other three, and a user.

The pairs with the version of a journal in their names have the same card. Two recordings of the site `pond` and two of
`lake` were delivered, and each was analysed twice; the second analyses of `lake` and two more recordings wait.
"""

import gzip
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from support import eventually
from waves import chunk

from anura_edge.app.device import DeviceRuntime
from anura_edge.config.analysis import AudioSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.demo.card import RATE_HZ, UTC_OFFSET, write_card
from anura_edge.events import EffortState
from anura_edge.inference.bundle import STREAM_BUNDLE
from anura_edge.sources.files.scan import scan
from anura_edge.store.journal import Journal

EARLIER = Path(__file__).parent / "earlier"
DEVICE = {
    "DEVICE__SITE": "pond",
    "DEVICE__NAME": "sm4-demo",
    "AUDIO__UTC_OFFSET": UTC_OFFSET,
    "MODEL__BUNDLE": str(STREAM_BUNDLE),  # the default model of that program
}


def unpack(name: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.decompress((EARLIER / f"{name}.gz").read_bytes()))
    return target


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    return unpack("journal.db", tmp_path / "device" / "journal.db")


@pytest.fixture
def base_file(tmp_path: Path) -> Path:
    return unpack("base.db", tmp_path / "base.db")


def base_event_ids(file: Path) -> list[UUID]:
    with closing(sqlite3.connect(file)) as database:
        return [UUID(text) for (text,) in database.execute("SELECT id FROM events")]


def test_earlier_journal_delivers_to_earlier_base(
    tmp_path: Path,
    journal_file: Path,
    base_file: Path,
    start_device: Callable[..., Any],
    start_base: Callable[[], Any],
    mqtt_settings: dict[str, str],
) -> None:
    assert len(base_event_ids(base_file)) == 5
    start_base()
    card = write_card(tmp_path / "card")
    device = start_device("--source", f"folder:{card}", **mqtt_settings | DEVICE)
    assert device.process.wait() == 8  # the card has an empty file
    assert (device.summary["new"], device.summary["known"], device.summary["other_settings"]) == (0, 6, 0)
    assert device.summary["pending"] == 0
    journal = Journal(journal_file)
    expected = sorted(journal.event_ids())
    journal.close()
    assert len(expected) == 7
    eventually(lambda: sorted(base_event_ids(base_file)) == expected)


@pytest.mark.parametrize("version", [6, 13])
def test_second_analyses_of_earlier_version_count_once(
    tmp_path: Path,
    start_device: Callable[..., Any],
    start_base: Callable[[], Any],
    mqtt_settings: dict[str, str],
    version: int,
) -> None:
    """With those that wait, each recording counts once, by its second analysis."""
    journal_file = unpack(f"journal-{version}.db", tmp_path / "device" / "journal.db")
    base_file = unpack(f"base-{version}.db", tmp_path / "base.db")
    start_base()
    card = write_card(tmp_path / "card")
    device = start_device("--source", f"folder:{card}", **mqtt_settings | DEVICE)
    assert device.process.wait() == 8  # the card has an empty file
    assert [device.summary[name] for name in ("new", "known", "pending")] == [0, 6, 0]
    journal = Journal(journal_file)
    expected = sorted(journal.event_ids())
    journal.close()
    assert len(expected) == 7
    eventually(lambda: sorted(base_event_ids(base_file)) == expected)
    with closing(sqlite3.connect(base_file)) as database:
        counted = database.execute("SELECT recording, sum(samples) FROM effort GROUP BY recording").fetchall()
        kept = database.execute("SELECT count(*) FROM superseded_rows").fetchone()
        assert database.execute("SELECT name FROM users").fetchall() == [("maria",)]
    assert [samples for _, samples in counted] == [60 * RATE_HZ] * 6
    assert kept[0] >= 5, "the first analyses of lake are kept"


def test_recordings_of_earlier_journal_are_known(tmp_path: Path, journal_file: Path) -> None:
    """Its marks identify whole files. They are found under other names and times, and then with other headers."""
    card = write_card(tmp_path / "card")
    model = ModelSettings(bundle=STREAM_BUNDLE)
    config = Config(state_dir=journal_file.parent, audio=AudioSettings(utc_offset=UTC_OFFSET), model=model)

    def scan_copy(name: str, change: Callable[[bytes], bytes]) -> tuple[int, int]:
        (tmp_path / name).mkdir()
        for path in card.iterdir():
            (tmp_path / name / f"{name}_{path.name}").write_bytes(change(path.read_bytes()))
        with DeviceRuntime(config, lambda _: None, Event()) as runtime:
            runtime.scan_files(scan(tmp_path / name))
        return runtime.summary.new, runtime.summary.known

    assert scan_copy("renamed", lambda content: content) == (0, 6)
    assert scan_copy("cut", lambda content: content[: len(content) * 2 // 3]) == (0, 6)
    assert scan_copy("noted", _with_note) == (0, 6)
    with closing(sqlite3.connect(journal_file)) as database:
        assert database.execute("SELECT count(*), count(audio_id) FROM recordings").fetchone() == (6, 6)


def _with_note(content: bytes) -> bytes:
    """Return a file of the card with more metadata in its header."""
    if content.startswith(b"fLaC"):
        return content[:4] + b"\4" + (100_000).to_bytes(3, "big") + bytes(100_000) + content[4:]
    return content[:12] + chunk(b"LIST", bytes(100_000)) + content[12:] if content else content


def test_open_effort_of_earlier_journal_is_finalised(journal_file: Path) -> None:
    journal = Journal(journal_file)
    last = journal.finalise_open_effort()
    journal.close()
    assert last
    assert (last.state, last.samples) == (EffortState.OFF, 0)
    with closing(sqlite3.connect(journal_file)) as database:
        query = "SELECT state, samples FROM effort WHERE recording = ?"
        assert database.execute(query, (last.recording,)).fetchall() == [("analysed", 120 * 48_000)]


def test_user_of_earlier_base_remains(base_file: Path) -> None:
    command = [Path(sys.executable).parent / "anura-base", "user", "list", "--database", f"sqlite:///{base_file}"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "maria" in listed
    assert "admin" in listed
