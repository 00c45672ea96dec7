"""The first settings file of a base station: questions, and the text with their answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
import yaml

from anura_base.config.settings import Settings
from anura_edge.config.yaml_loader import validate
from anura_edge.config.yaml_text import NO_FILE
from anura_edge.errors import ConfigError

Answers = Mapping[str, str | None]
"""The answer to each question. None and an empty text: none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A setting that a new base station needs."""

    name: str
    text: str
    """The prompt, and the comment in the file."""
    default: str = ""
    needs: str = ""
    """The name of a question without whose answer this one makes no sense."""


QUESTIONS = (
    Question("broker", "Name or address of the MQTT broker, with its port if it is not 1883", "127.0.0.1"),
    Question("username", "User name for the broker; none if it needs no login"),
    Question("password_file", "File whose first line is the password for the broker", needs="username"),
    Question("ca_file", "PEM file with the certificate of the broker's authority; none without TLS"),
    Question(
        "web", "Address of the pages: 127.0.0.1:8080 for this computer only, 0.0.0.0:8080 for all", "127.0.0.1:8080"
    ),
    Question("site", "Name of the first site, as its devices use it; none to take sites from the devices"),
    Question("latitude", "Latitude of the site in degrees, north is positive", needs="site"),
    Question("longitude", "Longitude of the site in degrees, east is positive", needs="site"),
    Question(
        "zone", "Time zone of the site, as in America/Sao_Paulo: a night lasts from noon to noon in it", "UTC", "site"
    ),
)


def ask_all(given: Answers, *, ask: bool) -> Answers:
    """Return an answer to each question that makes sense: given, asked for, or its default.

    Raises ConfigError for a given answer that is wrong.
    """
    answers: dict[str, str | None] = {}
    for question in QUESTIONS:
        if question.needs and not answers.get(question.needs):
            continue
        if given.get(question.name) is not None or not ask:
            answers[question.name] = given.get(question.name) or question.default
            _settings(answers)
        else:
            answers[question.name] = _ask_until_right(question, answers)
    return answers


def settings_text(answers: Answers) -> str:
    """Return a settings file in YAML, with the question of each setting as a comment.

    Raises ConfigError for an answer that is wrong.
    """
    comments = {question.name: question.text for question in QUESTIONS}
    lines = [
        "# Settings of a base station. `anura-base config show` lists all others with their defaults.",
        "schema: 1",
    ]
    for section, keys in _values(answers).items():
        if section == "schema":
            continue
        lines.append(f"{section}:")
        if section == "sites":
            (site, keys), *_ = keys.items()
            lines += [f"  # {comments['site']}", f"  {site}:"]
        indent = "    " if section == "sites" else "  "
        for key, value in keys.items():
            if (name := _QUESTION_OF.get(f"{section}.{key}", "")) and key != "port":
                lines.append(f"{indent}# {comments[name]}")
            lines.append(f"{indent}{key}: {_scalar(value)}")
    _settings(answers)
    return "\n".join(lines) + "\n"


def _scalar(value: object) -> str:
    return yaml.safe_dump(value, width=10_000).removesuffix("\n...\n").strip()


_QUESTION_OF = {
    "mqtt.host": "broker",
    "mqtt.username": "username",
    "mqtt.password_file": "password_file",
    "mqtt.ca_file": "ca_file",
    "web.host": "web",
    "sites.latitude_deg": "latitude",
    "sites.longitude_deg": "longitude",
    "sites.zone": "zone",
}


def _values(answers: Answers) -> dict[str, Any]:
    """Return the answers as the sections of a settings file."""
    values: dict[str, Any] = {"schema": 1, "mqtt": _address(answers.get("broker"), "--broker")}
    names = ("username", "password_file", "ca_file")
    values["mqtt"] |= {name: answer for name in names if (answer := answers.get(name))}
    values["web"] = _address(answers.get("web"), "--web")
    if site := answers.get("site"):
        numbers = {"latitude_deg": answers.get("latitude"), "longitude_deg": answers.get("longitude")}
        place = {key: yaml.safe_load(number) for key, number in numbers.items() if number}
        values["sites"] = {site: {**place, **({"zone": zone} if (zone := answers.get("zone")) else {})}}
    return {section: keys for section, keys in values.items() if keys}


def _address(text: str | None, option: str) -> dict[str, Any]:
    if not text:
        return {}
    host, _, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if port and not port.isdecimal():
        raise ConfigError(f"{option}: {text!r} is not HOST or HOST:PORT, as in 127.0.0.1:1883")
    return {"host": host.strip("[]"), **({"port": int(port)} if port else {})}


def _settings(answers: Answers) -> Settings:
    """Return the settings with these answers. Raises ConfigError if they are wrong."""
    return validate(Settings, _values(answers), NO_FILE)


def _ask_until_right(question: Question, answers: Answers) -> str:
    while True:
        answer = str(typer.prompt(question.text, default=question.default, show_default=bool(question.default))).strip()
        try:
            _settings({**answers, question.name: answer})
        except ConfigError as error:
            typer.echo(str(error), err=True)
        else:
            return answer
