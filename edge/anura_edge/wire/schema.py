"""The JSON Schema of every payload."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from anura_edge.wire.batches import BATCHES, Ack, Refusal
from anura_edge.wire.clips import ClipDenial, ClipPart
from anura_edge.wire.commands import COMMANDS
from anura_edge.wire.health import Health, Status
from anura_edge.wire.types import Kind
from anura_edge.wire.updates import UPDATES


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of every payload, for the documentation and other readers."""
    payloads: dict[Kind, type[BaseModel]] = {
        **{row.kind: batch for row, batch in BATCHES.items()},
        "status": Status,
        "health": Health,
    }
    choices: dict[Kind, list[type[BaseModel]]] = {
        "ack": [Ack, Refusal],
        "clip": [ClipPart, ClipDenial],
        "cmd": [*COMMANDS.values()],
        "update": [*UPDATES.values()],
    }
    models = [*payloads.values(), *(model for each in choices.values() for model in each)]
    _, schema = models_json_schema([(model, "validation") for model in models], title="anura-edge wire, version 1")
    topics: dict[Kind, Any] = {kind: {"$ref": f"#/$defs/{model.__name__}"} for kind, model in payloads.items()}
    for kind, either in choices.items():
        topics[kind] = {"anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in either]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "properties": topics}
