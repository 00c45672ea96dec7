"""Forms that are made from a section of the settings: one field for each key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from anura_edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form."""

    name: str
    kind: str
    """`text`, `number`, `list` (texts with commas between them) or `checkbox`."""
    value: str
    """Its present text; `true` for a box with a check."""
    default: str
    """What holds if it is empty."""

    @property
    def label(self) -> str:
        """Its name with spaces."""
        return self.name.replace("_", " ")


def fields_of(model: type[BaseModel], values: Mapping[str, Any], leave_out: frozenset[str]) -> list[FormField]:
    """Return a field for each key of a section. `values` are the present ones."""
    return [
        FormField(name, _kind(field), _text(values.get(name)), _text(field.get_default(call_default_factory=True)))
        for name, field in model.model_fields.items()
        if name not in leave_out
    ]


def values_of(model: type[BaseModel], form: Mapping[str, str], leave_out: frozenset[str]) -> dict[str, Any]:
    """Return the values of a form that are not empty, for the section."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        text = form.get(name, "").strip()
        if name in leave_out or not text:
            continue
        values[name] = [part.strip() for part in text.split(",") if part.strip()] if _kind(field) == "list" else text
    return values


def explain(error: ValidationError) -> ConfigError:
    """Return one error that names each invalid field and the reason."""
    lines = (f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
    return ConfigError("; ".join(line.removeprefix(": ") for line in lines))


def _kind(field: FieldInfo) -> str:
    kinds = {field.annotation, *get_args(field.annotation)}
    if any(get_origin(kind) is tuple for kind in kinds):
        return "list"
    if bool in kinds:
        return "checkbox"
    return "number" if any(_is_number(kind) for kind in kinds) else "text"


def _is_number(kind: Any) -> bool:  # noqa: ANN401  (any annotation)
    return kind in {int, float} or any(_is_number(part) for part in get_args(kind) if part is not kind)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower() if value else ""
        case list() | tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}" if value == round(value, 3) else repr(value)
        case _:
            return str(value)
