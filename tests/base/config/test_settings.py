from pathlib import Path

import pytest

from anura_base.config.settings import MqttSettings, RetentionSettings, Settings, Site, WebSettings, load
from anura_edge.errors import ConfigError

EVERYTHING = """\
schema: 1
state_dir: /var/lib/anura
database: postgresql+psycopg://anura@db/anura
mqtt:
  host: broker.example
  port: 8883
  client_id: base-1
  username: base
  password_file: /etc/anura/password
  ca_file: /etc/anura/ca.pem
web:
  host: 0.0.0.0
  port: 80
retention:
  events_days: 400
  effort_days: 4000
sites:
  pond:
    title: The pond behind the school
    latitude_deg: -22.4
    longitude_deg: -47.55
    zone: America/Sao_Paulo
    habitat: A pond in a clearing, with reeds
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "base.yaml"
    path.write_text(text)
    return path


def test_default_web_host_is_this_machine() -> None:
    assert load(None, None, None, None) == Settings()
    assert Settings().web.host == "127.0.0.1"


def test_file_with_every_setting_is_read(tmp_path: Path) -> None:
    settings = load(write(tmp_path, EVERYTHING), None, None, None)
    assert settings.mqtt == MqttSettings(
        host="broker.example",
        port=8883,
        client_id="base-1",
        username="base",
        password_file=Path("/etc/anura/password"),
        ca_file=Path("/etc/anura/ca.pem"),
    )
    assert settings.web == WebSettings(host="0.0.0.0", port=80)
    assert settings.database_url() == "postgresql+psycopg://anura@db/anura"
    assert settings.retention == RetentionSettings(events_days=400, effort_days=4000)
    assert settings.sites == {
        "pond": Site(
            title="The pond behind the school",
            latitude_deg=-22.4,
            longitude_deg=-47.55,
            zone="America/Sao_Paulo",
            habitat="A pond in a clearing, with reeds",
        )
    }


def test_options_override_the_file(tmp_path: Path) -> None:
    settings = load(write(tmp_path, EVERYTHING), "sqlite:////x.db", "10.0.0.1:1884", "[::1]:0")
    assert (settings.database, settings.web) == ("sqlite:////x.db", WebSettings(host="::1", port=0))
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.username) == ("10.0.0.1", 1884, "base")


def test_default_database_is_in_state_dir(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "new")
    assert settings.database_url() == f"sqlite:///{tmp_path}/new/anura-base.db"
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mqtt:\n  prot: 1883\n", "base.yaml:2: unknown key 'mqtt.prot'; did you mean 'port'?"),
        (
            "\n\nfrogs: yes\n",
            "base.yaml:3: unknown key 'frogs'; known keys: schema, state_dir, database, mqtt, web, retention, clips",
        ),
        (
            "web:\n  host: 0.0.0.0\n  port: 70000\n",
            "base.yaml:3: web.port: must be at most 65,535, not 70000",
        ),
        ("sites:\n  pond:\n    zone: Sao_Paulo\n", "base.yaml:3: sites.pond.zone: not a zone"),
        ("sites:\n  a pond: {}\n", "base.yaml:2: sites.a pond"),
        (
            "home_assistant:\n  prefix: ha\n",
            "base.yaml:2: 'home_assistant.prefix' was renamed; write home_assistant.discovery_prefix",
        ),
        ("schema: 2\n", "base.yaml:1: schema: write 1, not 2"),
        ("- a list\n", "base.yaml:1: write"),
        ("mqtt: [\n", "base.yaml:2: not YAML"),
        ("database: 2026-13-01\n", "base.yaml: month must be in"),
    ],
)
def test_invalid_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), None, None, None)
    assert message in str(refused.value)


@pytest.mark.parametrize("mqtt", ["", "broker", "broker:", "broker:mqtt", "broker:0", "broker:65536"])
def test_invalid_broker_address_is_refused(mqtt: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        load(None, None, mqtt, None)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml", None, None, None)
