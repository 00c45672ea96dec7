"""The YAML loader of device, base station and training. It is strict.

Each error names the file, the line, the value, the allowed range and the nearest key.
"""

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from anura_edge.config.messages import explain
from anura_edge.config.yaml_text import NO_FILE, YamlFile, parse_value, read
from anura_edge.errors import ConfigError

T = TypeVar("T", bound="Section")


def is_zone(name: str) -> bool:
    """Return whether the time zone database contains this name. Any text is allowed."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


def _known_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("not a zone of the time zone database; write one as in America/Sao_Paulo")
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]
"""A time zone's name, as in America/Sao_Paulo."""
Latitude = Annotated[float, Field(ge=-90, le=90)]
"""Degrees, north is positive."""
Longitude = Annotated[float, Field(ge=-180, le=180)]
"""Degrees, east is positive."""


class Section(BaseModel):
    """A group of settings. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    renamed_keys: ClassVar[Mapping[str, str]] = {}
    """Of a root section: old keys with their section, and what to write instead. An old key is refused, and the error
    names the new one. `*` stands for any part of a key."""


def load(model: type[T], path: Path | None, environment: Mapping[str, str] = os.environ, prefix: str = "ANURA__") -> T:
    """Read settings from a file. Variables {prefix}SECTION__KEY override the file.

    Raises ConfigError.
    """
    file = read(path) if path else NO_FILE
    values = copy.deepcopy(file.values)
    return validate(model, values, file, _apply_environment(values, environment, prefix))


def validate(
    model: type[T], values: Mapping[str, Any], file: YamlFile, variables: Mapping[tuple[str, ...], str] | None = None
) -> T:
    """Make a section of values, most of which come from a file. `variables` names what set a key instead of the file.

    Raises ConfigError, one line for each mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = explain(model, model.renamed_keys, values, file, variables or {}, error.errors())
        raise ConfigError("\n".join(lines)) from error


def read_password(path: Path, setting: str = "mqtt.password_file") -> SecretStr:
    """Return the first line of a password file. `setting` is the key that names the file.

    Raises ConfigError.
    """
    try:
        return SecretStr(path.read_text(encoding="utf-8-sig").splitlines()[0])
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting}: {path} is not text in UTF-8; save it with this encoding") from error
    except IndexError as error:
        raise ConfigError(f"{setting}: {path} is empty; write the secret into its first line") from error
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror}; check its owner and mode") from error


def _apply_environment(
    values: dict[str, Any], environment: Mapping[str, str], prefix: str
) -> dict[tuple[str, ...], str]:
    """Write environment variables into `values`. Return which variable set which key."""
    variables = {}
    for name in sorted(environment):
        if not name.startswith(prefix):
            continue
        *sections, key = keys = name.removeprefix(prefix).lower().split("__")
        target = values
        for section in sections:
            if not isinstance(target.get(section), dict):
                target[section] = {}
            target = target[section]
        try:
            target[key] = parse_value(environment[name])
        except ValueError as error:
            raise ConfigError(f"{name}: not YAML; put quotes around the text inside the variable") from error
        variables[tuple(keys)] = name
    return variables
