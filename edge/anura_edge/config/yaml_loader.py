"""Strict YAML settings: every mistake is named with its file, line, value, allowed range and nearest key."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from anura_edge.errors import ConfigError

T = TypeVar("T", bound="Section")


def is_zone(name: str) -> bool:
    """Say whether the time zone database has a zone of this name; any text may be asked about."""
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
    """A group of settings; a key that it does not have is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def load(model: type[T], path: Path | None, environment: Mapping[str, str] = os.environ, prefix: str = "ANURA__") -> T:
    """Read settings from a file and from {prefix}SECTION__KEY variables, which go before the file.

    Raises ConfigError.
    """
    root = _compose(path) if path else None
    values = _values(root, path)
    sources = _apply_environment(values, environment, prefix)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(model, root, path, sources, e) for e in error.errors())) from error


def read_password(path: Path, setting: str = "mqtt.password_file") -> SecretStr:
    """Return the first line of a file that holds nothing but a password; `setting` names what asks for it.

    Raises ConfigError.
    """
    try:
        return SecretStr(path.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ConfigError(f"{setting}: cannot read a password from {path}: {error}") from error


def _compose(path: Path) -> yaml.Node | None:
    if path.exists() and not path.is_file():  # nobody may ever write to a pipe
        raise ConfigError(f"{path} is not a file; `anura-edge config show` prints one to start from")
    try:
        text = path.read_text(encoding="utf-8")
        # An alias can make a small file endless, and settings have no use for one.
        events = yaml.parse(text, yaml.SafeLoader)
        if alias := next((event.start_mark for event in events if isinstance(event, yaml.AliasEvent)), None):
            raise ConfigError(f"{path}:{alias.line + 1}: settings are `key: value` lines without aliases")
        return yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `anura-edge config show` prints a file to start from") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}; check colons and indentation") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


def _values(root: yaml.Node | None, path: Path | None) -> dict[str, Any]:
    if root is None:
        return {}
    _refuse_twins(root, path)
    try:
        values = yaml.SafeLoader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem}") from error
    except Exception as error:  # whatever PyYAML meets: `2026-13-01` looks like a date, and is none
        raise ConfigError(f"{path}: {error}; put text in quotes") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: settings are `key: value` lines, not {str(values)[:40]!r}")
    return values


def _refuse_twins(node: yaml.Node, path: Path | None) -> None:
    """YAML keeps the last of two equal keys and says nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: settings are `key: value` lines")
            if key.value in seen:
                raise ConfigError(
                    f"{path}:{key.start_mark.line + 1}: {key.value!r} stands here a second time; keep one"
                )
            seen.add(key.value)
            _refuse_twins(value, path)


def _apply_environment(
    values: dict[str, Any], environment: Mapping[str, str], prefix: str
) -> dict[tuple[str, ...], str]:
    """Put variables into `values`; return which variable set which key."""
    sources = {}
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
            target[key] = yaml.safe_load(environment[name])
        except Exception as error:  # whatever PyYAML meets, as above
            raise ConfigError(f"{name}: not YAML: put its text in quotes inside the variable, too") from error
        sources[tuple(keys)] = name
    return sources


def _explain(
    model: type[Section],
    root: yaml.Node | None,
    path: Path | None,
    sources: dict[tuple[str, ...], str],
    error: ErrorDetails,
) -> str:
    loc = tuple(str(part) for part in error["loc"])
    variables = [name for keys, name in sources.items() if loc and keys[: len(loc)] == loc[: len(keys)]]
    where = variables[0] if variables else f"{path}:{_line(root, loc)}" if path else "settings"
    key = ".".join(loc)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(loc[-1], _keys(model, loc[:-1]), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(_keys(model, loc[:-1]))}"
        return f"{where}: unknown key {key!r}; {hint}"
    if error["type"] == "missing":
        return f"{where}: {key!r} is missing; add it"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {key + ': ' if key else ''}{message}" + ("" if not key else f", not {error['input']!r}")


def _line(node: yaml.Node | None, loc: tuple[str, ...]) -> int:
    """Return the line of the deepest part of `loc` that the file has."""
    line = 1
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((key, value) for key, value in node.value if key.value == part), None)
        if entry is not None:  # what a union decided by is named in `loc`, too, but is no key
            line, node = entry[0].start_mark.line + 1, entry[1]
    return line


def _keys(model: type[BaseModel], loc: tuple[str, ...]) -> list[str]:
    """Return the keys that a section has."""
    sections: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [field for section in sections if (field := section.model_fields.get(part))]
        if fields:
            sections = [section for field in fields for section in _sections(field.annotation)]
        else:  # a name that the user chose, or what decides which of a union it is
            tagged = [section for section in sections if part in _tags(section)]
            sections = tagged or sections
    return list(dict.fromkeys(f.alias or name for section in sections for name, f in section.model_fields.items()))


def _sections(annotation: object) -> list[type[BaseModel]]:
    """Return the sections that an annotation speaks of: `Web`, `Web | None`, `dict[Name, Web]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _tags(section: type[BaseModel]) -> set[object]:
    return {tag for field in section.model_fields.values() for tag in get_args(field.annotation)}
