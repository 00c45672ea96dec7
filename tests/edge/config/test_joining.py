"""A join file changes the sections `device` and `mqtt` of the settings, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.config.device import Config
from anura_edge.config.joining import apply_join_file
from anura_edge.config.yaml_loader import load
from anura_edge.config.yaml_text import read
from anura_edge.errors import ConfigError
from anura_edge.wire.join_file import JoinFile

JOIN = JoinFile(site="pond", device="one", host="base.local", port=8883, password="secret", ca="PEM", ack_key="0a" * 32)
OTHERS: dict[str, Any] = {
    "source": "mic",
    "watch": {"interval_s": 5.0},
    "clips": {"enabled": True, "upload": "off"},
    "device": {"site": "old", "name": "1e3", "latitude_deg": -22.5},
    "mqtt": {"host": "old", "keepalive_s": 60, "cert_file": "/nowhere"},
    "journal": {"max_mb": 20.0},
}


@given(
    names=st.lists(st.sampled_from(sorted(OTHERS)), unique=True),
    flow=st.booleans(),
    comments=st.lists(st.sampled_from(["", "# a comment", "  # an indented one"]), max_size=2),
)
def test_joining_changes_only_device_and_mqtt(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], flow: bool, comments: list[str]
) -> None:
    settings = tmp_path_factory.mktemp("joined") / "anura.yaml"
    text = "schema: 1\n"
    for name in names:
        text += "".join(f"{line}\n" for line in comments)
        in_one_line = flow and isinstance(OTHERS[name], dict)
        value = yaml.safe_dump(OTHERS[name], default_flow_style=True, width=10_000)
        text += f"{name}: {value}" if in_one_line else yaml.safe_dump({name: OTHERS[name]})
    settings.write_text(text)
    before = read(settings).values
    apply_join_file(JOIN, settings)
    after = read(settings).values
    assert {**after, "device": 0, "mqtt": 0} == {**before, "device": 0, "mqtt": 0}
    assert after["device"] == {**before.get("device", {}), "site": "pond", "name": "one"}
    assert after["mqtt"].get("keepalive_s") == before.get("mqtt", {}).get("keepalive_s")
    joined = load(Config, settings, {}).mqtt
    assert joined
    assert (joined.username, joined.cert_file) == ("pond/one", None)
    assert joined.ack_key() == bytes.fromhex(JOIN.ack_key)
    again = settings.read_text()
    apply_join_file(JOIN, settings)
    assert settings.read_text() == again


def test_joining_with_wrong_settings_changes_nothing(tmp_path: Path) -> None:
    settings = tmp_path / "anura.yaml"
    settings.write_text("sauce: mic\n")
    with pytest.raises(ConfigError, match="unknown key 'sauce'"):
        apply_join_file(JOIN, settings)
    assert settings.read_text() == "sauce: mic\n"


def test_secrets_are_readable_for_the_group_that_can_read_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    for mode, expected in ((0o700, 0o600), (0o750, 0o640), (0o755, 0o640)):
        folder.chmod(mode)
        apply_join_file(JOIN, tmp_path / "anura.yaml")
        assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {expected}


def test_join_file_shows_no_secret_in_a_traceback() -> None:
    assert repr(JOIN) == "JoinFile(pond/one)"
