"""Audio at the device gives committed rows at the base station, also after kills."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from support import Broker, eventually

from anura_edge.demo.card import write_card
from anura_edge.store.journal import Journal
from anura_edge.wire import device_key

BIN = Path(sys.executable).parent


def journal_ids(folder: Path) -> set[UUID]:
    journal = Journal(folder / "device" / "journal.db")
    ids = journal.event_ids()
    journal.close()
    return ids


def rows_waiting(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "device" / "journal.db")) as journal:
        return int(journal.execute("SELECT count(*) FROM outbox").fetchone()[0])


def base_ids(base: Any) -> list[UUID]:
    return [UUID(text) for text in base.get("api/events/ids")]


def test_base_station_has_exactly_the_events_of_the_device(
    tmp_path: Path, start_device: Callable[..., Any], start_base: Callable[[], Any], mqtt_settings: dict[str, str]
) -> None:
    base = start_base()
    data = write_card(tmp_path / "card")
    device = start_device("--source", f"folder:{data}", **mqtt_settings)
    assert device.process.wait() == 8  # the card has an empty file
    assert device.summary["new"] == 6
    assert device.summary["pending"] == 0
    assert len(base_ids(base)) == len(set(base_ids(base)))
    assert set(base_ids(base)) == journal_ids(tmp_path) != set()
    (view,) = base.get("api/devices")
    assert round(view["effort_h"]["analysed"] * 60, 6) == 6
    # The health at the end of the scan: at its start, rows waited for a connection.
    health = eventually(lambda: (view := base.get("api/devices")[0])["state"] == "offline" and view["health"])
    assert (health["pending"], health["problems"]) == (0, [])

    again = start_device("--source", f"folder:{data}", **mqtt_settings)
    assert again.process.wait() == 8  # and still has it
    assert again.summary["new"] == 0
    assert again.summary["known"] == 6
    assert set(base_ids(base)) == journal_ids(tmp_path)


def test_broker_restart_loses_no_row(
    tmp_path: Path,
    broker: Broker,
    start_device: Callable[..., Any],
    start_base: Callable[[], Any],
    mqtt_settings: dict[str, str],
) -> None:
    base = start_base()
    data = write_card(tmp_path / "card")
    held_back = tmp_path / "held-back"
    held_back.mkdir()
    late = sorted(data.iterdir())[3:]
    for file in late:
        file.rename(held_back / file.name)

    watching = {"WATCH__INTERVAL_S": "0.1", "WATCH__DEBOUNCE_S": "0.1"}
    device = start_device("--source", f"folder:{data}", "--watch", **mqtt_settings, **watching)
    eventually(lambda: device.events and len(base_ids(base)) == len(device.events))
    broker.kill()
    for file in late:
        (held_back / file.name).rename(data / file.name)
    eventually(lambda: "empty" in "".join(device.log_lines))  # the last file: all are analysed without the broker
    assert len(base_ids(base)) < len(device.events)
    broker.start()
    eventually(lambda: len(base_ids(base)) == len(device.events))
    assert device.stop() == 8
    assert set(base_ids(base)) == journal_ids(tmp_path)


def test_base_station_restart_stores_each_row_once(
    tmp_path: Path, start_device: Callable[..., Any], start_base: Callable[[], Any], mqtt_settings: dict[str, str]
) -> None:
    data = write_card(tmp_path / "card")
    base = start_base()
    watching = {"WATCH__INTERVAL_S": "0.1", "WATCH__DEBOUNCE_S": "0.1"}
    device = start_device("--source", f"folder:{data}", "--watch", **mqtt_settings, **watching)
    eventually(lambda: base_ids(base))
    base.process.kill()
    base.process.wait()
    eventually(lambda: "empty" in "".join(device.log_lines))
    base = start_base()
    eventually(lambda: rows_waiting(tmp_path) == 0)
    assert device.stop() == 8
    assert device.summary["pending"] == 0
    assert sorted(base_ids(base)) == sorted(journal_ids(tmp_path))


def test_another_base_station_is_told_and_needs_acceptance(
    tmp_path: Path, start_device: Callable[..., Any], start_base: Callable[[], Any], mqtt_settings: dict[str, str]
) -> None:
    """Acknowledgements are signed. The page of the new base station tells why rows wait, too."""
    card, key_file = write_card(tmp_path / "card"), tmp_path / "key"
    watching = {"WATCH__INTERVAL_S": "0.1", "WATCH__DEBOUNCE_S": "0.1", "HEALTH__INTERVAL_S": "0.1"}
    own = {**mqtt_settings, **watching, "MQTT__ACK_KEY_FILE": str(key_file)}
    *later, first = sorted(card.iterdir())[:3]

    def start_new_base() -> Any:
        for file in tmp_path.glob("base.db*"):
            file.unlink()
        base = start_base()
        with closing(sqlite3.connect(tmp_path / "base.db")) as database:
            ((secret,),) = database.execute("SELECT ack_secret FROM identity").fetchall()
        key_file.write_text(device_key(bytes.fromhex(secret), "one").hex())
        return base

    base = start_new_base()
    device = start_device("--source", f"folder:{_only(tmp_path, first)}", **own)
    assert device.process.wait() == 0
    assert device.summary["pending"] == 0

    base.process.kill()
    base.process.wait()
    base = start_new_base()
    folder = _only(tmp_path, *later)
    device = start_device("--source", f"folder:{folder}", "--watch", **own)
    eventually(lambda: "anura-edge base accept" in str([view["health"] for view in base.get("api/devices")]))
    device.process.kill()  # it would wait for acknowledgements
    device.process.wait()
    assert rows_waiting(tmp_path) > 0
    environment = {**os.environ, "ANURA__STATE_DIR": str(tmp_path / "device")}
    subprocess.run([BIN / "anura-edge", "base", "accept"], env=environment, capture_output=True, check=True)
    device = start_device("--source", f"folder:{folder}", **own)
    assert device.process.wait() == 0
    assert device.summary["pending"] == 0


def _only(folder: Path, *files: Path) -> Path:
    """Return a new folder with some files."""
    card = folder / files[0].stem
    card.mkdir()
    for file in files:
        file.rename(card / file.name)
    return card
