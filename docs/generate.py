"""Writes the reference files that come from the code: `python docs/generate.py`. A test checks that they are fresh."""

import json
from pathlib import Path

from anura_edge import wire
from anura_edge.config import Config

REFERENCE = Path(__file__).parent / "reference"

SCHEMAS = {
    "wire.schema.json": wire.json_schema,
    "config.schema.json": Config.model_json_schema,
}


def texts() -> dict[Path, str]:
    """Return each generated file and what it must contain."""
    return {REFERENCE / name: json.dumps(make(), indent=2) + "\n" for name, make in SCHEMAS.items()}


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
