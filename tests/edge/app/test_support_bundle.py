"""The archive for support says what a device is and how it works, and nothing that is secret."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from anura_edge.app.doctor import CheckResult, Finding
from anura_edge.app.support_bundle import write_bundle
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.events import Effort, Event
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance

SECRET = "correct horse battery"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("HOME", str(tmp_path / "home-of-maria"))
    (tmp_path / "home-of-maria").mkdir()
    (tmp_path / "home-of-maria" / "password").write_text(SECRET)
    return Config(
        state_dir=tmp_path / "home-of-maria" / "state",
        source="folder:/media/rare-frog-pond/Data",
        device=DeviceSettings(site="rare-frog-pond", name="swamp1", latitude_deg=-22.41234, longitude_deg=-47.56789),
        mqtt=MqttSettings(
            host="mqtt.frogs.example.org",
            username="maria",
            password_file=tmp_path / "home-of-maria" / "password",
        ),
    )


def read(config: Config, *details: str) -> dict[str, str]:
    buffer = io.BytesIO()
    write_bundle(buffer, config, [Finding("broker", CheckResult.FAIL, detail) for detail in details])
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_bundle_has_no_secrets_names_and_precise_places(
    config: Config, make_event: Callable[..., Event], make_effort: Callable[..., Effort], provenance: Provenance
) -> None:
    with closing(Journal(config.journal_path, Owner("rare-frog-pond", "swamp1"))) as journal:
        journal.commit([make_event(recording_name="rare-frog-pond_1.wav")], [make_effort()], provenance)
    texts = read(config, f"mqtt.frogs.example.org:1883: refused maria; {config.journal_path}")
    everything = "\n".join(texts.values())
    for hidden in (SECRET, "rare-frog-pond", "swamp1", "frogs.example.org", "maria", "22.4", "47.5", ".wav"):
        assert hidden not in everything
    assert json.loads(texts["doctor.json"])[0]["detail"].startswith("***:1883: refused")


def test_bundle_says_what_helps(config: Config, make_effort: Callable[..., Effort], provenance: Provenance) -> None:
    with closing(Journal(config.journal_path)) as journal:
        journal.commit([], [make_effort(samples=8_000 * 3_600)], provenance)
    texts = read(config)
    settings = yaml.safe_load(texts["settings.yaml"])
    assert (settings["device"]["latitude_deg"], settings["device"]["longitude_deg"]) == (-22, -48)
    assert settings["mqtt"]["port"] == 1_883
    counts = json.loads(texts["journal.json"])
    assert counts["rows by kind and state"] == [["waiting", "effort", 1]]
    assert counts["analysed audio in hours by model and state"] == [["tones", "1.0.0", "analysed", 1.0]]
    assert json.loads(texts["machine.json"])["packages"]["numpy"]


def test_bundle_of_a_device_without_a_journal_is_written(config: Config) -> None:
    assert json.loads(read(config)["journal.json"]) == {"state": "there is none"}


def test_bundle_with_a_damaged_journal_is_written(config: Config) -> None:
    config.journal_path.parent.mkdir()
    config.journal_path.write_bytes(b"no database" * 99)
    assert "cannot be read" in json.loads(read(config)["journal.json"])["state"]
