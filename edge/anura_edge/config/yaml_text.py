"""Reads YAML text into values. It is strict: duplicate keys, aliases and anything but `key: value` lines are errors."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anura_edge.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the plain scalars of YAML 1.2.

    YAML 1.1 also takes `off`, `on`, `yes` and `no` as booleans, and `+10:00` as a number in base 60.
    """


_SCALARS = {
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
"""Regular expression and first characters of each type (YAML 1.2.2, section 10.3.2; no octal numbers)."""

_TAG = "tag:yaml.org,2002:"
_replaced = {_TAG + name for name in _SCALARS}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _replaced]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list(_first))


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that contains one YAML mapping, read but not validated."""

    path: Path
    values: dict[str, Any]
    root: yaml.Node | None
    """The parsed file, for line numbers. None for an empty file."""

    def line(self, keys: tuple[str, ...]) -> int:
        """Return the line of the deepest of some nested keys that the file contains."""
        line, node = 1, self.root
        for key in keys:
            if not isinstance(node, yaml.MappingNode):
                break
            entry = next(((name, value) for name, value in node.value if name.value == key), None)
            if entry is not None:
                line, node = entry[0].start_mark.line + 1, entry[1]
        return line


NO_FILE = YamlFile(Path(), {}, None)


def read(path: Path) -> YamlFile:
    """Read a file that contains `key: value` lines.

    Raises ConfigError.
    """
    root = _compose(path)
    return YamlFile(path, _values(root, path) if root else {}, root)


def parse_value(text: str) -> object:
    """Parse one value. Raises ValueError."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except Exception as error:  # PyYAML raises any type: `2026-13-01` looks like a date but is not valid
        raise ValueError("not YAML") from error


def _compose(path: Path) -> yaml.Node | None:
    if path.exists() and not path.is_file():  # reading a pipe could block for ever
        raise ConfigError(f"{path} is not a file; name a YAML file")
    try:
        text = path.read_text(encoding="utf-8-sig")
        # Nested aliases can expand a small file without limit, and settings do not need them.
        events = yaml.parse(text, _Loader)
        if alias := next((event.start_mark for event in events if isinstance(event, yaml.AliasEvent)), None):
            raise ConfigError(f"{path}:{alias.line + 1}: write `key: value` lines without aliases")
        return yaml.compose(text, _Loader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start}); name a YAML file"
        ) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML: {error.problem}; check colons and indentation") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


def _values(root: yaml.Node, path: Path) -> dict[str, Any]:
    _refuse_duplicates(root, path)
    try:
        values = _Loader("").construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem}") from error
    except Exception as error:  # PyYAML raises any type, as above
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
