"""The first settings file: answers that are right are in it, and others are asked for again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from anura_edge.cli.init import QUESTIONS, Question, collect, text_of
from anura_edge.cli.main import app
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError

NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)


def settings_of(text: str, folder: Path) -> Config:
    file = folder / "anura.yaml"
    file.write_text(text, encoding="utf-8")
    return load(Config, file, {})


@given(
    site=NAMES,
    latitude=st.floats(-90, 90),
    microphone=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20),
    host=st.sampled_from(["", "base.local", "10.0.0.1", "null", "0x10", "yes"]),
)
def test_any_valid_answers_are_the_settings(
    tmp_path_factory: pytest.TempPathFactory, site: str, latitude: float, microphone: str, host: str
) -> None:
    given_answers = {
        ("device", "site"): site,
        ("device", "latitude_deg"): str(latitude),
        ("audio", "microphone"): microphone,
        ("mqtt", "host"): host,
    }
    settings = settings_of(text_of(collect(given_answers, None)), tmp_path_factory.mktemp("init"))
    assert (settings.source, settings.device.site, settings.device.latitude_deg) == ("mic", site, latitude)
    assert str(settings.audio.microphone or "") == (
        str(int(microphone)) if microphone.isascii() and microphone.isdecimal() else microphone
    )
    assert (settings.mqtt.host if settings.mqtt else "") == host


def test_wrong_answer_is_asked_for_again(capsys: pytest.CaptureFixture[str]) -> None:
    replies = {("device", "site"): ["by the pond", "pond"], ("device", "zone"): ["Mars/One", "Europe/Berlin"]}

    def ask(question: Question, default: str) -> str:
        return replies[question.key].pop(0) if question.key in replies else default

    answers = collect({}, ask)
    assert (answers["device", "site"], answers["device", "zone"]) == ("pond", "Europe/Berlin")
    shown = capsys.readouterr().err
    assert "'by the pond'" in shown
    assert "'Mars/One'" in shown


def test_questions_that_make_no_sense_are_not_asked() -> None:
    asked: list[tuple[str, ...]] = []

    def ask(question: Question, default: str) -> str:
        asked.append(question.key)
        return "folder:/media/card" if question.key == ("source",) else default

    collect({}, ask)
    left_out = {question.key for question in QUESTIONS} - set(asked)
    assert left_out == {("audio", "microphone"), ("mqtt", "port"), ("mqtt", "username"), ("mqtt", "password_file")}


def test_command_writes_a_file_once(tmp_path: Path) -> None:
    file = tmp_path / "anura.yaml"
    arguments = ["init", "--yes", "--site", "pond", "--broker", "base.local:8883", str(file)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    settings = load(Config, file, {})
    assert settings.mqtt
    assert (settings.device.site, settings.mqtt.host, settings.mqtt.port) == ("pond", "base.local", 8883)
    before = file.read_bytes()
    assert isinstance(CliRunner().invoke(app, arguments).exception, ConfigError)
    assert file.read_bytes() == before


def test_wrong_option_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "anura.yaml"
    result = CliRunner().invoke(app, ["init", "--yes", "--latitude", "95", str(file)])
    assert "latitude_deg: must be at most 90" in str(result.exception)
    assert not file.exists()
