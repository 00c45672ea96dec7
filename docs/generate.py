"""Write the reference pages and schemas that come from the code: `python docs/generate.py`.

A test checks that they are current.
"""

import json
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from reference_pages.commands import commands_page  # noqa: E402
from reference_pages.errors import errors_page  # noqa: E402
from reference_pages.formats import example_bytes, example_texts  # noqa: E402
from reference_pages.models import manifest_page, networks_page, recipe_page  # noqa: E402
from reference_pages.settings import base_page, device_page  # noqa: E402

from anura_edge import wire  # noqa: E402
from anura_edge.config.device import Config  # noqa: E402

REFERENCE = DOCS / "reference"
FORMATS = REFERENCE / "formats"

SCHEMAS = {
    "wire.schema.json": wire.json_schema,
    "config.schema.json": Config.model_json_schema,
}

PAGES = {
    "settings-device.md": device_page,
    "settings-base.md": base_page,
    "cli.md": commands_page,
    "errors.md": errors_page,
    "bundle-manifest.md": manifest_page,
    "recipe-keys.md": recipe_page,
    "models.md": networks_page,
}


def texts() -> dict[Path, str]:
    """Return each generated file with its text."""
    schemas = {REFERENCE / name: json.dumps(make(), indent=2) + "\n" for name, make in SCHEMAS.items()}
    pages = {REFERENCE / name: make() for name, make in PAGES.items()}
    return schemas | pages | {FORMATS / name: text for name, text in example_texts().items()}


if __name__ == "__main__":
    for path, text in texts().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    for name, content in example_bytes().items():
        (FORMATS / name).write_bytes(content)
