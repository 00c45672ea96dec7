"""Checks packages of Camtrap DP with the library frictionless."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from anura_edge.results.formats import camtrap

TIME = {"type": "datetime", "format": "%Y-%m-%dT%H:%M:%S%z"}
REQUIRED = {"constraints": {"required": True}}
FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "deployments": {
        "deploymentID": {"constraints": {"required": True, "unique": True}},
        "latitude": {"type": "number", "constraints": {"required": True, "minimum": -90, "maximum": 90}},
        "longitude": {"type": "number", "constraints": {"required": True, "minimum": -180, "maximum": 180}},
        "deploymentStart": TIME | REQUIRED,
        "deploymentEnd": TIME | REQUIRED,
        "timestampIssues": {"type": "boolean"},
    },
    "media": {
        "mediaID": {"constraints": {"required": True, "unique": True}},
        "deploymentID": REQUIRED,
        "timestamp": TIME | REQUIRED,
        "filePath": {"constraints": {"required": True, "pattern": r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"}},
        "filePublic": {"type": "boolean", **REQUIRED},
        "fileMediatype": {"constraints": {"required": True, "pattern": "^(image|video|audio)/.*$"}},
    },
    "observations": {
        "observationID": {"constraints": {"required": True, "unique": True}},
        "deploymentID": REQUIRED,
        "eventStart": TIME | REQUIRED,
        "eventEnd": TIME | REQUIRED,
        "observationLevel": {"constraints": {"required": True, "enum": ["media", "event"]}},
        "observationType": {
            "constraints": {
                "required": True,
                "enum": ["animal", "human", "vehicle", "blank", "unknown", "unclassified"],
            }
        },
        "classificationMethod": {"constraints": {"enum": ["human", "machine"]}},
        "classificationTimestamp": TIME,
        "classificationProbability": {"type": "number", "constraints": {"minimum": 0, "maximum": 1}},
    },
}
"""What version 1.0.2 of the standard requires of the columns that are filled."""

KEYS = {"media": ["deployments"], "observations": ["deployments", "media"]}
"""The tables to which a table refers."""


def schema(name: str) -> dict[str, Any]:
    columns = {"deployments": camtrap.DEPLOYMENTS, "media": camtrap.MEDIA, "observations": camtrap.OBSERVATIONS}[name]
    keys = {"deployments": "deploymentID", "media": "mediaID"}
    return {
        "fields": [{"name": column, "type": "string", **FIELDS[name].get(column, {})} for column in columns],
        "foreignKeys": [
            {"fields": keys[other], "reference": {"resource": other, "fields": keys[other]}}
            for other in KEYS.get(name, [])
        ],
    }


def count_valid_rows(folder: Path) -> list[int]:
    """Validate a package, whose description is changed. Return the rows of deployments, media and observations."""
    frictionless = pytest.importorskip("frictionless")
    file, limit = folder / "datapackage.json", csv.field_size_limit()
    package = json.loads(file.read_text())
    del package["profile"]  # the profile and the schemas are in the internet
    for resource in package["resources"]:
        resource["schema"] = schema(resource["name"])
    file.write_text(json.dumps(package))
    report = frictionless.validate(str(file))
    csv.field_size_limit(limit)  # the library changes it for the whole process
    assert report.valid, report.flatten(["type", "message"])
    return [task.stats["rows"] for task in report.tasks]
