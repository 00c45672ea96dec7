"""The YAML loader of device, base station and training. It is strict.

Each error names the file, the line, the value, the allowed range and the nearest key.
"""

import copy
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

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


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that contains one YAML mapping, read but not validated."""

    path: Path
    values: dict[str, Any]
    root: yaml.Node | None
    """The parsed file, for line numbers. None for an empty file."""


NO_FILE = YamlFile(Path(), {}, None)


def load(model: type[T], path: Path | None, environment: Mapping[str, str] = os.environ, prefix: str = "ANURA__") -> T:
    """Read settings from a file. Variables {prefix}SECTION__KEY override the file.

    Raises ConfigError.
    """
    file = read(path) if path else NO_FILE
    values = copy.deepcopy(file.values)
    return validate(model, values, file, _apply_environment(values, environment, prefix))


def read(path: Path) -> YamlFile:
    """Read a file that contains `key: value` lines.

    Raises ConfigError.
    """
    root = _compose(path)
    return YamlFile(path, _values(root, path) if root else {}, root)


def validate(
    model: type[T], values: Mapping[str, Any], file: YamlFile, variables: Mapping[tuple[str, ...], str] | None = None
) -> T:
    """Make a section of values, most of which come from a file. `variables` names what set a key instead of the file.

    Raises ConfigError, one line for each mistake.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        explained = (_explain(model, file, variables or {}, each) for each in error.errors())
        raise ConfigError("\n".join(explained)) from error


def read_password(path: Path, setting: str = "mqtt.password_file") -> SecretStr:
    """Return the first line of a password file. `setting` is the key that names the file.

    Raises ConfigError.
    """
    try:
        return SecretStr(path.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ConfigError(f"{setting}: cannot read a password from {path}: {error}") from error


def _compose(path: Path) -> yaml.Node | None:
    if path.exists() and not path.is_file():  # reading a pipe could block for ever
        raise ConfigError(f"{path} is not a file; name a YAML file")
    try:
        text = path.read_text(encoding="utf-8")
        # Nested aliases can expand a small file without limit, and settings do not need them.
        events = yaml.parse(text, yaml.SafeLoader)
        if alias := next((event.start_mark for event in events if isinstance(event, yaml.AliasEvent)), None):
            raise ConfigError(f"{path}:{alias.line + 1}: write `key: value` lines without aliases")
        return yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}; check colons and indentation") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


def _values(root: yaml.Node, path: Path) -> dict[str, Any]:
    _refuse_duplicates(root, path)
    try:
        values = yaml.SafeLoader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem}") from error
    except Exception as error:  # PyYAML raises any type: `2026-13-01` looks like a date but is not valid
        raise ConfigError(f"{path}: {error}; put text in quotes") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: write `key: value` lines, not {str(values)[:40]!r}")
    return values


def _refuse_duplicates(node: yaml.Node, path: Path) -> None:
    """Raise ConfigError for two equal keys: PyYAML silently takes the last one."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: write `key: value` lines")
            if key.value in seen:
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: duplicate key {key.value!r}; delete one")
            seen.add(key.value)
            _refuse_duplicates(value, path)


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
            target[key] = yaml.safe_load(environment[name])
        except Exception as error:  # PyYAML raises any type, as above
            raise ConfigError(f"{name}: not YAML; put quotes around the text inside the variable") from error
        variables[tuple(keys)] = name
    return variables


def _explain(
    model: type[Section], file: YamlFile, variables: Mapping[tuple[str, ...], str], error: ErrorDetails
) -> str:
    loc = tuple(str(part) for part in error["loc"])
    key = ".".join(loc)
    where = _where(file, variables, loc)
    if error["type"] == "extra_forbidden":
        return f"{where}: {_unknown_key(model, key, loc)}"
    if error["type"] == "missing":
        return f"{where}: {key!r} is missing; add it"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {key + ': ' if key else ''}{message}" + ("" if not key else f", not {error['input']!r}")


def _unknown_key(model: type[Section], key: str, loc: tuple[str, ...]) -> str:
    for old, new in model.renamed_keys.items():
        if fnmatchcase(key, old):
            return f"{key!r} was renamed; write {new}"
    known = _keys(model, loc[:-1])
    near = difflib.get_close_matches(loc[-1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _where(file: YamlFile, variables: Mapping[tuple[str, ...], str], loc: tuple[str, ...]) -> str:
    """Return the variable, or the file and line, that set the value at `loc`."""
    for keys, name in variables.items():
        if loc and keys[: len(loc)] == loc[: len(keys)]:
            return name
    if file is NO_FILE:
        return "settings"
    return f"{file.path}:{_line(file.root, loc)}" if file.root else str(file.path)


def _line(node: yaml.Node | None, loc: tuple[str, ...]) -> int:
    """Return the line of the deepest part of `loc` that the file contains."""
    line = 1
    for part in loc:
        if not isinstance(node, yaml.MappingNode):
            break
        entry = next(((key, value) for key, value in node.value if key.value == part), None)
        if entry is not None:  # the tag of a union is in `loc` too, but is not a key
            line, node = entry[0].start_mark.line + 1, entry[1]
    return line


def _keys(model: type[BaseModel], loc: tuple[str, ...]) -> list[str]:
    """Return the keys of the section at `loc`."""
    sections: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [field for section in sections if (field := section.model_fields.get(part))]
        if fields:
            sections = [section for field in fields for section in _sections(field.annotation)]
        else:  # a name that the user chose, or the tag of a union
            tagged = [section for section in sections if part in _tags(section)]
            sections = tagged or sections
    return list(dict.fromkeys(f.alias or name for section in sections for name, f in section.model_fields.items()))


def _sections(annotation: object) -> list[type[BaseModel]]:
    """Return the sections in an annotation: `Web`, `Web | None`, `dict[Name, Web]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _tags(section: type[BaseModel]) -> set[object]:
    return {tag for field in section.model_fields.values() for tag in get_args(field.annotation)}
