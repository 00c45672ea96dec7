"""The base station's settings: one small YAML file, checked once."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from anura_edge.errors import ConfigError

Port = Annotated[int, Field(ge=1, le=65_535)]
FileName = Annotated[Path, Strict(False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


SectionT = TypeVar("SectionT", bound=_Section)


class Mqtt(_Section):
    """The broker."""

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: str = Field(default="anura-base", min_length=1, max_length=64)
    """The broker keeps our subscription under this name; two clients of one name throw each other out."""
    username: str | None = None
    password_file: FileName | None = None
    ca_file: FileName | None = None
    """Certificates to trust, in PEM form; with it the connection is encrypted."""


class Web(_Section):
    """The page. It has no login, so it listens on this machine alone unless told otherwise."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0 picks a free one."""


class Settings(_Section):
    """Everything that can be set."""

    # `schema` is a method of pydantic's models, so the attribute needs another name than the key.
    schema_id: Literal[1] = Field(alias="schema", default=1)
    state_dir: FileName = Path("~/.local/state/anura-base")
    database: str | None = None
    """SQLAlchemy's URL; without one, `anura-base.db` in `state_dir`."""
    mqtt: Mqtt = Mqtt()
    web: Web = Web()

    def database_url(self) -> str:
        """Name the database, and make the folder for the default one.

        Raises ConfigError when that folder cannot be made.
        """
        if self.database is not None:
            return self.database
        folder = self.state_dir.expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"state_dir: cannot make {folder}: {error}; give a folder that can be written") from error
        return f"sqlite:///{folder.absolute() / 'anura-base.db'}"


def load(path: Path | None, database: str | None, mqtt: str | None, web: str | None) -> Settings:
    """Read the file, if there is one, and let the command line's options win.

    `mqtt` and `web` are HOST:PORT. Raises ConfigError, with the line where there is one.
    """
    text = "" if path is None else _read(path)
    settings = _validate(text, path)
    return Settings(
        state_dir=settings.state_dir,
        database=database or settings.database,
        mqtt=_override(settings.mqtt, "--mqtt", mqtt),
        web=_override(settings.web, "--web", web),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _validate(text: str, path: Path | None) -> Settings:
    try:
        return Settings.model_validate(yaml.safe_load(text) or {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{path}, line {_line(text, first['loc'])}: {_explain(first)}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2026-13-01 looks like a date, and is none
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _override(section: SectionT, option: str, value: str | None) -> SectionT:
    if value is None:
        return section
    host, _, port = value.rpartition(":")
    try:
        return type(section).model_validate({**dict(section), "host": host.strip("[]"), "port": int(port)})
    except ValueError as error:
        raise ConfigError(f"{option}: {value!r} is not HOST:PORT, as in 127.0.0.1:1883") from error


def _explain(error: Any) -> str:  # noqa: ANN401  (a TypedDict of pydantic_core, with keys that vary)
    key = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg']}, but is {error['input']!r}"
    sections: dict[str, type[_Section]] = {"mqtt": Mqtt, "web": Web}
    section = sections.get(str(error["loc"][0]), Settings)
    allowed = [field.alias or name for name, field in section.model_fields.items()]
    near = get_close_matches(str(error["loc"][-1]), allowed, n=1)
    return f"{key}: unknown key; " + (f"did you mean {near[0]}?" if near else f"allowed are {', '.join(allowed)}")


def _line(text: str, location: tuple[int | str, ...]) -> int:
    """Find the line of a key, or of the nearest section around it."""
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), 1
    for part in location:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == str(part):
                node, line = value, key.start_mark.line + 1
                break
    return line
