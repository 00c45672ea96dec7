"""Writes the reference files that come from the code: `python docs/generate.py`. A test checks that they are fresh."""

import json
from pathlib import Path

from anura_edge import wire
from anura_edge.config.device import Config
from anura_train.benchmark.cost import LABEL_COUNT, cost_table, model_costs

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
RECIPES = sorted((DOCS.parent / "train/recipes").glob("*.yaml"))

SCHEMAS = {
    "wire.schema.json": wire.json_schema,
    "config.schema.json": Config.model_json_schema,
}


def texts() -> dict[Path, str]:
    """Return each generated file and what it must contain."""
    schemas = {REFERENCE / name: json.dumps(make(), indent=2) + "\n" for name, make in SCHEMAS.items()}
    return {**schemas, REFERENCE / "models.md": models()}


def models() -> str:
    """Return the page of the networks that our recipes make."""
    return f"""# The networks of the recipes

A recipe's name is its file in `train/recipes`, followed by the variant that changes its network. Parameters and million
multiply-adds for a second of sound (MMAC / s) are counted by `anura-train models` with torch's own counter, for
{LABEL_COUNT} species, front end included. A network that takes 3 s is asked each second; a stream computes every moment
once. `python docs/generate.py` writes this page.

{cost_table(model_costs(RECIPES))}
"""


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
