"""An archive for people who help with a device: its settings, and what works. It has no secrets and no places."""

import json
import platform
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from anura_edge import __version__
from anura_edge.app.doctor import Finding
from anura_edge.config.device import Config
from anura_edge.system import hardware

README = """This archive describes an anura-edge device for people who help with it.

It contains no passwords, keys, names of sites and recordings, and no audio. Latitude and longitude are whole degrees,
so they may be 80 km off. Read the files before you send them.
"""

HIDDEN = "***"

MIN_HIDDEN_LENGTH = 3
"""Shorter names would be found inside words."""

_COUNTS = {
    "rows by kind and state": """
        SELECT state, kind, count(*) FROM (
            SELECT 'waiting' AS state, kind FROM outbox UNION ALL SELECT 'delivered', kind FROM settled
            UNION ALL SELECT 'refused', kind FROM dead_letter
        ) GROUP BY state, kind
    """,
    "analysed audio in hours by model and state": """
        SELECT model_id, model_version, state, round(sum(1.0 * samples / rate_hz) / 3600, 2) FROM effort
        GROUP BY model_id, model_version, state
    """,
    "events by clock": "SELECT clock_source, count(*) FROM event GROUP BY clock_source",
    "unreadable files by reason": "SELECT reason, count(*) FROM unreadable GROUP BY reason",
    "notices by kind and day": """
        SELECT what, substr(utc, 1, 10), count(*) FROM notice GROUP BY 1, 2 ORDER BY 2 DESC LIMIT 200
    """,
}
"""Queries that count rows of the journal. Their results contain no name of a site, a device or a recording."""


def write_bundle(output: BinaryIO, config: Config, findings: Iterable[Finding]) -> list[str]:
    """Write the archive, and return the names of its files."""
    hide = Redaction(config)
    texts = {
        "README.txt": README,
        "doctor.json": json.dumps([{**asdict(each), "detail": hide(each.detail)} for each in findings], indent=1),
        "settings.yaml": hide(yaml.safe_dump(hide.settings(), sort_keys=False)),
        "machine.json": json.dumps(_machine(), indent=1),
        "journal.json": hide(json.dumps(_journal(config.journal_path), indent=1)),
    }
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return [*texts]


class Redaction:
    """Hides the names and secrets of a device in texts."""

    def __init__(self, config: Config) -> None:
        self._config = config
        mqtt = config.mqtt
        of_broker = [mqtt.host, mqtt.username] if mqtt else []
        names = {*filter(None, of_broker), config.device.site, config.device.name, platform.node()}
        names -= {"site", "device", "localhost", "127.0.0.1"}
        # The longest first: one name may be a part of another.
        self._names = sorted((each for each in names if len(each) >= MIN_HIDDEN_LENGTH), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return a text without the names and without the folder of the user."""
        text = text.replace(str(Path.home()), "~") if Path.home() != Path("/") else text
        for name in self._names:
            text = text.replace(name, HIDDEN)
        return text

    def settings(self) -> dict[str, Any]:
        """Return the settings without names and secrets. Places are whole degrees."""
        values = self._config.effective()
        device = values["device"]
        for key in ("latitude_deg", "longitude_deg"):
            device[key] = None if device[key] is None else round(device[key])
        values["device"] |= {"site": HIDDEN, "name": HIDDEN}
        if values.get("source", "") not in ("mic", None):
            values["source"] = f"{values['source'].partition(':')[0]}:{HIDDEN}"
        if mqtt := values["mqtt"]:
            values["mqtt"] = {**mqtt, **{key: HIDDEN for key in ("host", "username") if mqtt.get(key)}}
        return values


def _machine() -> Mapping[str, Any]:
    return {
        "anura-edge": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(_packages()),
        "clock synchronised": hardware.clock_synchronised(),
        "temperature_c": hardware.temperature_c(),
    }


def _packages() -> Iterator[tuple[str, str]]:
    for name in ("numpy", "onnxruntime", "paho-mqtt", "pydantic", "sounddevice", "soundfile", "soxr", "typer"):
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "not installed"


def _journal(path: Path) -> Mapping[str, Any]:
    """Return counts of a journal, or why it cannot be read. It is only read, and a device may use it."""
    if not path.is_file():
        return {"state": "there is none"}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=5, uri=True)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            counts = {name: db.execute(query).fetchall() for name, query in _COUNTS.items()}
    except sqlite3.Error as error:
        return {"state": f"it cannot be read: {error}"}
    return {"state": "readable", "version": version, "size_mb": round(path.stat().st_size / 1e6, 3), **counts}
