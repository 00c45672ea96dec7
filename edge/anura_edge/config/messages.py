"""Turns the errors of pydantic into lines that name the file, the line, the key, what to write, and the value."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from anura_edge.config.yaml_text import NO_FILE, YamlFile

Keys = tuple[str, ...]

MAX_VALUE = 80
"""Characters of a wrong value that a message shows."""

_WRITE_NUMBER, _WRITE_WHOLE_NUMBER, _WRITE_BOOLEAN = "write a number", "write a whole number", "write true or false"
_WRITE_SECTION, _WRITE_LIST = "write `key: value` lines below it", "write a list, as in [a, b]"

_ADVICE = {
    "int_type": _WRITE_WHOLE_NUMBER,
    "int_parsing": _WRITE_WHOLE_NUMBER,
    "int_parsing_size": _WRITE_WHOLE_NUMBER,
    "int_from_float": _WRITE_WHOLE_NUMBER,
    "float_type": _WRITE_NUMBER,
    "float_parsing": _WRITE_NUMBER,
    "finite_number": "write a finite number",
    "bool_type": _WRITE_BOOLEAN,
    "bool_parsing": _WRITE_BOOLEAN,
    "string_type": "write a text, in quotes if it looks like a number or a date",
    "path_type": "write a path",
    "path_not_file": "there is no such file",
    "path_not_directory": "there is no such folder",
    "model_type": _WRITE_SECTION,
    "model_attributes_type": _WRITE_SECTION,
    "dict_type": _WRITE_SECTION,
    "tuple_type": _WRITE_LIST,
    "list_type": _WRITE_LIST,
    "set_type": _WRITE_LIST,
    "none_required": "leave it empty",
    "invalid_key": "a key must be a text; put it in quotes",
    "literal_error": "write {expected}",
    "enum": "write {expected}",
    "union_tag_invalid": "write one of {expected_tags}",
    "union_tag_not_found": "{discriminator} is missing; add it",
    "greater_than": "must be more than {gt:,g}",
    "greater_than_equal": "must be at least {ge:,g}",
    "less_than": "must be less than {lt:,g}",
    "less_than_equal": "must be at most {le:,g}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}
"""What to write instead, by the type of pydantic's error."""

_PATTERNS = {
    "^[A-Za-z0-9_-]{1,32}$": "write 1 to 32 letters of the English alphabet, digits, `-` and `_`",
    r"^[^\s/@]+$": "write a host name or an IP address alone: the port is a setting of its own",
    r"^(/[A-Za-z0-9._~-]{1,100}){0,5}$": "write a path as in /frogs: letters, digits and `._~-`, no `/` at the end",
    r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$": "write letters, digits, `-` and `_`, with `/` between parts",
    r"^[^@\s]+@[^@\s]+$": "write an e-mail address",
}
"""The same for patterns of settings."""


def explain(
    model: type[BaseModel],
    renamed_keys: Mapping[str, str],
    values: Mapping[str, Any],
    file: YamlFile,
    variables: Mapping[Keys, str],
    errors: Iterable[ErrorDetails],
) -> list[str]:
    """Return a line for each key with an error. `variables` names what set a key instead of the file."""
    # A value that fits no type of a union has an error for each of them.
    by_key: dict[Keys, list[ErrorDetails]] = {}
    for error in errors:
        by_key.setdefault(_keys_of(values, error), []).append(error)
    lines = []
    for keys, found in by_key.items():
        where = _where(file, variables, keys)
        if found[0]["type"] == "extra_forbidden":
            lines.append(f"{where}: {_unknown_key(model, renamed_keys, keys)}")
        elif found[0]["type"] == "missing":
            lines.append(f"{where}: {'.'.join(keys)!r} is missing; add it")
        else:
            lines.append(f"{where}: {_advice(keys, found)}")
    return lines


def _advice(keys: Keys, errors: Sequence[ErrorDetails]) -> str:
    first = errors[0]
    value = first["input"]
    if first["type"] == "union_tag_invalid":  # the value is the whole section; its `kind` or `when` is wrong
        keys, value = (*keys, first["ctx"]["discriminator"].strip("'")), first["ctx"]["tag"]
    advice = ", or ".join(dict.fromkeys(_advice_for(error) for error in errors))
    if not keys:
        return advice
    if isinstance(value, Mapping):  # the message of a whole section names the key itself
        return f"{'.'.join(keys)}: {advice}"
    shown = _as_written(value)
    return f"{'.'.join(keys)}: {advice}, not {shown[:MAX_VALUE]}{'...' if len(shown) > MAX_VALUE else ''}"


def _as_written(value: object) -> str:
    """Return a value about as it is in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str) else str(value)


def _advice_for(error: ErrorDetails) -> str:
    if words := _PATTERNS.get(error.get("ctx", {}).get("pattern", "")):
        return words
    if template := _ADVICE.get(error["type"]):
        return template.format(**error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ")


def _keys_of(values: Mapping[str, Any], error: ErrorDetails) -> Keys:
    """Return the keys of the file that lead to an error, without pydantic's names for the members of a union."""
    keys: list[str] = []
    node: Any = values
    is_at_key = error["type"] in ("missing", "extra_forbidden", "invalid_key")
    for place, part in enumerate(error["loc"], start=1):
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            if not (is_at_key and place == len(error["loc"])):
                continue
        keys.append(str(part))
    return tuple(keys)


def _where(file: YamlFile, variables: Mapping[Keys, str], keys: Keys) -> str:
    """Return the variable, or the file and line, that set the value."""
    for of_variable, name in variables.items():
        if keys and of_variable[: len(keys)] == keys[: len(of_variable)]:
            return name
    if file is NO_FILE:
        return "settings"
    return f"{file.path}:{file.line(keys)}" if file.root else str(file.path)


def _unknown_key(model: type[BaseModel], renamed_keys: Mapping[str, str], keys: Keys) -> str:
    key = ".".join(keys)
    for old, new in renamed_keys.items():
        if fnmatchcase(key, old):
            return f"{key!r} was renamed; write {new}"
    known = _known_keys(model, keys[:-1])
    near = difflib.get_close_matches(keys[-1], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _known_keys(model: type[BaseModel], keys: Keys) -> list[str]:
    """Return the keys of a section."""
    sections: list[type[BaseModel]] = [model]
    for key in keys:
        fields = [field for section in sections if (field := section.model_fields.get(key))]
        if fields:
            sections = [section for field in fields for section in _sections(field.annotation)]
    return list(dict.fromkeys(f.alias or name for section in sections for name, f in section.model_fields.items()))


def _sections(annotation: object) -> list[type[BaseModel]]:
    """Return the sections in an annotation: `Web`, `Web | None`, `dict[Name, Web]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]
