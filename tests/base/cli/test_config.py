"""The commands `anura-base config`: a written file is valid, and a wrong one is told."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from anura_base.cli.main import app
from anura_base.config.settings import load
from anura_edge.errors import ConfigError


def call(*arguments: object, answers: str = "") -> Result:
    return CliRunner().invoke(app, ["config", *map(str, arguments)], input=answers)


def test_written_file_is_valid_and_has_the_answers(tmp_path: Path) -> None:
    file = tmp_path / "base.yaml"
    options = "--broker 10.0.0.2:8883 --username base --web 0.0.0.0:80 --site pond --latitude=-22.5 --longitude=-47"
    done = call("init", file, "--yes", *options.split(), "--zone", "America/Sao_Paulo")
    assert done.exit_code == 0, done.output
    settings = load(file, None, None, None)
    assert (settings.mqtt.host, settings.mqtt.port, settings.mqtt.username) == ("10.0.0.2", 8_883, "base")
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 80)
    place = settings.sites["pond"]
    assert (place.latitude_deg, place.longitude_deg, place.zone) == (-22.5, -47, "America/Sao_Paulo")
    assert file.read_text().count("# ") == 8
    assert call("check", file).output == f"{file}: no errors\n"
    assert isinstance(call("init", file, "--yes").exception, ConfigError)


def test_default_file_changes_no_setting(tmp_path: Path) -> None:
    file = tmp_path / "base.yaml"
    assert call("init", file, "--yes").exit_code == 0
    assert load(file, None, None, None) == load(None, None, None, None)


def test_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "base.yaml"
    done = call("init", file, answers="broker\n\n\nhost:port\n\npond\n100\n10\n20\nMars/Base\nUTC\n")
    assert done.exit_code == 0, done.output
    assert "must be at most 90" in done.output
    assert "'host:port' is not HOST or HOST:PORT" in done.output
    assert load(file, None, None, None).sites["pond"].latitude_deg == 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqqt: {}", "did you mean 'mqtt'"),
        ("mqtt: {password_file: /no/file}", "mqtt.password_file: cannot read /no/file"),
        ("web: {tls_cert_file: /no/cert, tls_key_file: /no/key}", "web.tls_cert_file: there is no file /no/cert"),
        ("database: 'mysql://x/y'", "use sqlite or postgresql"),
    ],
)
def test_check_refuses_what_run_refuses(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "base.yaml").write_text(text)
    assert words in str(call("check", tmp_path / "base.yaml").exception)


def test_show_prints_all_settings_without_passwords(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("database: postgresql+psycopg://anura:secret@db/anura\n")
    shown = call("show", "--config", tmp_path / "base.yaml").output
    assert "secret" not in shown
    values = yaml.safe_load(shown)
    assert values["database"] == "postgresql+psycopg://anura:***@db/anura"
    assert {"schema", "mqtt", "web", "retention", "clips", "sites", "alerts"} <= values.keys()


def test_schema_is_that_of_the_settings() -> None:
    assert yaml.safe_load(call("schema").output)["properties"].keys() >= {"mqtt", "sites"}
