"""Tables of the fields of pydantic models: key, type and range, unit, default, meaning."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from reference_pages.docstrings import attribute_docs, one_line
from reference_pages.markdown import anchor, code, limits, number, table

COLUMNS = ("key", "type and range", "unit", "default", "meaning")

SELECTORS = ("kind", "when")
"""Keys whose value selects one of several models."""

UNITS = {
    "_mb_per_day": "MB per day",
    "_mb_per_device": "MB",
    "_ms_per_audio_s": "ms per second of audio",
    "_mmac_per_audio_s": "MMAC per second of audio",
    "_samples": "samples",
    "_percent": "%",
    "_dbfs": "dBFS",
    "_days": "days",
    "_bytes": "bytes",
    "_deg": "degrees",
    "_rows": "rows",
    "_db": "dB",
    "_hz": "Hz",
    "_mb": "MB",
    "_gb": "GB",
    "_c": "°C",
    "_h": "h",
    "_s": "s",
}
"""Units by the ending of a key."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A model under a key of another one."""

    model: type[BaseModel]
    path: str
    """Its key, with the keys above it, as in `energy.duty`."""

    @property
    def variant(self) -> str:
        """The value that selects this model; empty if there is no choice."""
        return next(filter(None, (_constant(self.model.model_fields.get(name)) for name in SELECTORS)), "")

    @property
    def heading(self) -> str:
        """The heading of its table."""
        return f"{self.path}: {self.variant}" if self.variant else self.path


def sections(model: type[BaseModel]) -> Iterator[str]:
    """Yield a table of a model's fields, and a heading, a description and a table for each model inside it."""
    yield from _section(Nested(model, ""))


def undocumented(model: type[BaseModel]) -> list[str]:
    """Return the keys of a model, and of the models inside it, without a description."""
    docs = attribute_docs(model)
    nested = {name: _nested("", name, field) for name, field in model.model_fields.items()}
    own = [f"{model.__name__}.{name}" for name, field in model.model_fields.items() if not _meaning(name, field, docs)]
    return own + [key for parts in nested.values() for part in parts for key in undocumented(part.model)]


def _section(section: Nested) -> Iterator[str]:
    docs = attribute_docs(section.model)
    fields = section.model.model_fields.items()
    nested = {name: _nested(section.path, field.alias or name, field) for name, field in fields}
    if section.path:
        yield f"## {section.heading}"
        yield one_line(section.model.__doc__ or "")
    yield table(
        COLUMNS,
        (
            (
                code(key := field.alias or name),
                _links(field, nested[name]) or _type(field),
                _unit(key),
                _default(field),
                _meaning(name, field, docs),
            )
            for name, field in fields
        ),
    )
    for parts in nested.values():
        for part in parts:
            yield from _section(part)


def _nested(path: str, key: str, field: FieldInfo) -> list[Nested]:
    full_path = (f"{path}.{key}" if path else key) + _container(field.annotation)
    return [Nested(model, full_path) for model in _models(field.annotation)]


def _meaning(name: str, field: FieldInfo, docs: dict[str, str]) -> str:
    if name in docs:
        return docs[name]
    if name in SELECTORS and _constant(field):
        return "Selects this type."
    models = _models(field.annotation)
    return one_line(models[0].__doc__ or "") if len(models) == 1 else ""


def _links(field: FieldInfo, nested: list[Nested]) -> str:
    containers = {".NAME": "mapping of names to ", "[]": "list of "}
    links = (f"[{part.variant or part.path}](#{anchor(part.heading)})" for part in nested)
    return containers.get(_container(field.annotation), "") + " or ".join(links) if nested else ""


def _constant(field: FieldInfo | None) -> str:
    """Return the only value of a field; an empty string if it may have several."""
    values = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
    return str(values[0]) if len(values) == 1 else ""


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401 (any annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _container(annotation: Any) -> str:  # noqa: ANN401
    if _contains(annotation, dict):
        return ".NAME"
    return "[]" if _contains(annotation, tuple) or _contains(annotation, list) else ""


def _contains(annotation: Any, origin: type) -> bool:  # noqa: ANN401
    return get_origin(annotation) is origin or any(_contains(part, origin) for part in get_args(annotation))


def _unit(key: str) -> str:
    return next((unit for ending, unit in UNITS.items() if f"_{key}".endswith(ending)), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    match value:
        case None | "" | BaseModel():
            return ""
        case bool():
            return code(str(value).lower())
        case float():
            return code(f"{value:g}")
        case tuple() | dict():
            return code(str(list(value))) if value else ""
        case PurePath() | _:
            return code(str(value))


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    for item in field.metadata:
        annotation = Annotated[annotation, item]
    return _of_schema(TypeAdapter(annotation).json_schema())


def _of_schema(schema: dict[str, Any]) -> str:
    """Describe a JSON Schema in words. A null is left out: it means that the key may be absent."""
    if "anyOf" in schema:
        return " or ".join(_of_schema(part) for part in schema["anyOf"] if part != {"type": "null"})
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(code(str(value)) for value in values)
    match schema.get("type"):
        case "integer":
            return f"whole number{_range(schema)}"
        case "number":
            return f"number{_range(schema)}"
        case "boolean":
            return "`true` or `false`"
        case "array":
            return _of_array(schema)
        case "object":
            (values_schema,) = schema.get("patternProperties", {"": schema.get("additionalProperties", {})}).values()
            return f"mapping of names to {_of_schema(values_schema)}"
        case "string" if schema.get("format") in ("path", "file-path"):
            return "path"
        case "string":
            return f"text{_length(schema, 'minLength', 'maxLength', 'characters')}"
        case _:
            return "any value"


def _of_array(schema: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        items = [_of_schema(item) for item in schema["prefixItems"]]
        return f"list of {len(items)}: {', '.join(dict.fromkeys(items))}"
    return f"list of {_of_schema(schema['items'])}{_length(schema, 'minItems', 'maxItems', 'items')}"


def _range(schema: dict[str, Any]) -> str:
    inclusive = limits(schema.get("minimum"), schema.get("maximum"))
    exclusive = (("above", schema.get("exclusiveMinimum")), ("below", schema.get("exclusiveMaximum")))
    parts = [f"{word} {number(limit)}" for word, limit in exclusive if limit is not None]
    return "".join(f", {part}" for part in [*parts, inclusive] if part)


def _length(schema: dict[str, Any], low: str, high: str, unit: str) -> str:
    words = limits(schema.get(low), schema.get(high))
    return f", {words} {unit}" if words else ""
