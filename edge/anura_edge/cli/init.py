"""The command `init`: writes the first settings file of a device."""

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import is_zone, validate
from anura_edge.config.yaml_text import NO_FILE
from anura_edge.errors import ConfigError, SourceError

LOCALTIME = Path("/etc/localtime")
"""On Linux a link to the time zone of the system, as in /usr/share/zoneinfo/Europe/Berlin."""


@dataclass(frozen=True, slots=True)
class Question:
    """A setting that a new device needs. Its text is the prompt, and the comment in the file."""

    key: tuple[str, ...]
    """The setting and its sections."""
    text: str
    needs: str = ""
    """The answer to `source` or `mqtt.host` without which the question makes no sense: its beginning."""


QUESTIONS = (
    Question(("source",), "Audio source: mic, or folder:PATH for a recorder's card"),
    Question(("device", "site"), "Name of the site: letters, digits, _ and -"),
    Question(("device", "name"), "Name of the device, unique within the site"),
    Question(("device", "latitude_deg"), "Latitude in degrees, north is positive"),
    Question(("device", "longitude_deg"), "Longitude in degrees, east is positive"),
    Question(
        ("device", "zone"), "Time zone of the site, as in America/Sao_Paulo: a night lasts from noon to noon in it"
    ),
    Question(
        ("audio", "utc_offset"),
        "Offset of the recorder's clock from UTC, as in -05:00, if its files lack it",
        "folder:",
    ),
    Question(("audio", "microphone"), "Microphone: number, USB id, or a part of the name; none for the default", "mic"),
    Question(("mqtt", "host"), "Name or address of the MQTT broker of the base station; none to store rows only"),
    Question(("mqtt", "port"), "TCP port of the broker", "host"),
    Question(("mqtt", "username"), "User name for the broker", "host"),
    Question(("mqtt", "password_file"), "File whose first line is the password for the broker", "host"),
)

Answers = dict[tuple[str, ...], str]
Ask = Callable[[Question, str], str]


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New settings file.")] = Path("anura.yaml"),
    site: Annotated[str | None, typer.Option(help="Name of the site.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the device. Default: the name of this machine.")] = None,
    source: Annotated[str | None, typer.Option(metavar="mic|folder:PATH", help="Audio source.")] = None,
    latitude: Annotated[float | None, typer.Option(help="Latitude of the site in degrees.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Longitude of the site in degrees.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone of the site. Default: that of this machine.")] = None,
    utc_offset: Annotated[str | None, typer.Option(help="Offset of the recorder's clock from UTC.")] = None,
    microphone: Annotated[
        str | None, typer.Option(help="Number, USB id or part of the name of the microphone.")
    ] = None,
    broker: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="MQTT broker of the base station.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing. What no option gives has its default.")] = False,
) -> None:
    """Ask for site, place, microphone and broker, and write a settings file with comments.

    Example: `anura-edge init --yes --site pond --source mic anura.yaml`

    An answer that cannot be right is asked for again. An existing file is never overwritten.
    """
    if os.path.lexists(file):
        raise ConfigError(f"{file} exists already; choose another name, or edit it and run `anura-edge config check`")
    host, _, port = (broker or "").rpartition(":") if broker and re.search(r":\d+$", broker) else (broker or "", "", "")
    given: dict[tuple[str, ...], object] = {
        ("source",): source,
        ("device", "site"): site,
        ("device", "name"): name,
        ("device", "latitude_deg"): latitude,
        ("device", "longitude_deg"): longitude,
        ("device", "zone"): zone,
        ("audio", "utc_offset"): utc_offset,
        ("audio", "microphone"): microphone,
        ("mqtt", "host"): host or None,
        ("mqtt", "port"): port or None,
    }
    answers = collect({key: str(value) for key, value in given.items() if value is not None}, None if yes else _prompt)
    _write(file, answers)
    typer.echo(f"{file} is written. Next: anura-edge doctor --config {file}, then anura-edge run --config {file}")


def collect(given: Mapping[tuple[str, ...], str], ask: Ask | None) -> Answers:
    """Return an answer to each question that makes sense: given, asked for, or its default. Empty ones are left out.

    Raises ConfigError for a given answer that is wrong.
    """
    answers: Answers = {}
    for question in QUESTIONS:
        if not _makes_sense(question, answers):
            continue
        default = _default(question)
        if question.key in given or not ask:
            answer = given.get(question.key, default)
            _check(answers, question, answer)
        else:
            answer = _ask_until_right(answers, question, ask, default)
        if answer:
            answers[question.key] = answer
    return answers


def text_of(answers: Answers) -> str:
    """Return a settings file in YAML. Each setting has its question as a comment."""
    return "\n".join(_lines(answers)) + "\n"


def _lines(answers: Answers) -> Iterator[str]:
    yield "# Settings of an anura-edge device. `anura-edge config show` lists all others with their defaults."
    yield "schema: 1"
    section = ""
    for question in QUESTIONS:
        if question.key not in answers:
            continue
        *sections, key = question.key
        if sections and sections[0] != section:
            section = sections[0]
            yield f"{section}:"
        indent = "  " * len(sections)
        yield f"{indent}# {question.text}"
        yield f"{indent}{key}: {_scalar(question, answers[question.key])}"


def _scalar(question: Question, answer: str) -> str:
    name = question.key[-1]
    if name == "microphone" and answer.isascii() and answer.isdecimal():
        return str(int(answer))
    return (
        answer
        if name in ("latitude_deg", "longitude_deg", "port")
        else yaml.safe_dump(answer, width=10_000).removesuffix("\n...\n").strip()
    )


def _makes_sense(question: Question, answers: Answers) -> bool:
    if question.needs == "host":
        return ("mqtt", "host") in answers
    return answers.get(("source",), "").startswith(question.needs)


def _default(question: Question) -> str:
    match question.key:
        case ("source",):
            return "mic"
        case ("device", "site"):
            return "site"
        case ("device", "name"):
            return re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname()).strip("-") or "device"
        case ("device", "zone"):
            return system_zone()
    return ""


def system_zone() -> str:
    """Return the time zone of this machine by its name, empty if it has none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name and LOCALTIME.is_symlink():
        name = str(LOCALTIME.readlink()).partition("zoneinfo/")[2]
    return name if name and is_zone(name) else ""


def _ask_until_right(answers: Answers, question: Question, ask: Ask, default: str) -> str:
    while True:
        answer = ask(question, default).strip()
        try:
            _check(answers, question, answer)
        except ConfigError as error:
            typer.echo(str(error), err=True)
        else:
            return answer


def _check(answers: Answers, question: Question, answer: str) -> None:
    """Raise ConfigError if the settings would be wrong with this answer."""
    if answer:
        _load(text_of({**answers, question.key: answer}))


def _load(text: str) -> Config:
    return validate(Config, yaml.safe_load(text), NO_FILE)


def _write(file: Path, answers: Answers) -> None:
    text = text_of(answers)
    _load(text)
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}; choose a writable folder") from error


def _prompt(question: Question, default: str) -> str:
    if question.key == ("audio", "microphone"):
        _show_microphones()
    return str(typer.prompt(question.text, default=default, show_default=bool(default)))


def _show_microphones() -> None:
    from anura_edge.sources.microphone.devices import list_devices

    try:
        found = list_devices()
    except SourceError as error:
        typer.echo(str(error), err=True)
        return
    for microphone in found:
        typer.echo(f"  {microphone.index:>3}  {microphone.name}")
