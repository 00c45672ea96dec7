"""Camtrap DP 1.0.2 (https://camtrap-dp.tdwg.org), the exchange format of camera traps, with recorders as cameras.

A device at a site is a deployment. Its recordings of unknown clock are a deployment of their own. A recording is a
medium. A call is an observation at media level, by a machine, or by the person who reviewed it.
"""

import csv
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid5

from anura_edge.errors import ConfigError
from anura_edge.events import NAMESPACE, Verdict
from anura_edge.results.formats.audacity import safe_path
from anura_edge.results.formats.parts import CHUNK_ROWS, FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import (
    UNKNOWN_CLOCK,
    clock_note,
    counted_label,
    counted_name,
    inner_path,
    iso_utc,
    model,
    reviewed_utc,
    taxon_name,
    time_is_known,
)
from anura_edge.results.formats.source import Deployment, ResultSource, deployment_id
from anura_edge.results.spreadsheet import Cell, escape_formula
from anura_edge.results.streaming_zip import StreamingZip

log = logging.getLogger(__name__)

STANDARD = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2"

DEPLOYMENTS = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty", "deploymentStart",
    "deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt",
    "cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat", "deploymentGroups",
    "deploymentTags", "deploymentComments",
)  # fmt: skip
MEDIA = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype",
    "exifData", "favorite", "mediaComments",
)  # fmt: skip
OBSERVATIONS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel",
    "observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID",
    "individualPositionRadius", "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth",
    "bboxHeight", "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability",
    "observationTags", "observationComments",
)  # fmt: skip
"""All columns in the order of the standard, also the empty ones, because readers check the header."""


MEDIA_TYPES = {
    ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".aif": "audio/aiff",
    ".aiff": "audio/aiff", ".aifc": "audio/aiff", ".au": "audio/basic", ".caf": "audio/x-caf",
}  # fmt: skip
"""Media types by the suffix of the file, if it is not WAV."""


def camtrap_dp(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    """Yield a ZIP of the package. Sites without a position are left out, because the standard requires positions.

    Raises ConfigError if no site has a position.
    """
    all_deployments = source.deployments()
    deployments = [each for each in all_deployments if context.has_position(each.site)]
    left_out = sorted({each.site for each in all_deployments} - {each.site for each in deployments})
    remedy = context.position_remedy
    if left_out and not deployments:
        raise ConfigError(f"Camtrap DP needs the position of {', '.join(left_out)}: {remedy}")
    if left_out:
        log.warning("Camtrap DP: %s left out, because the position is unknown; %s", ", ".join(left_out), remedy)
    archive = StreamingZip()
    with archive.file("datapackage.json") as file:
        json.dump(_package(source, context, deployments, left_out), file, indent=2)
    media = (_medium(each) for each in source.recordings() if context.has_position(each["site"]))
    calls = (_observation(call) for call in source.events() if context.has_position(call["site"]))
    for _ in _write(archive, "deployments", DEPLOYMENTS, (_deployment(each, context) for each in deployments)):
        yield FilePart(archive.take(), 0)
    for _ in _write(archive, "media", MEDIA, media):
        yield FilePart(archive.take(), 0)
    for rows in _write(archive, "observations", OBSERVATIONS, calls):
        yield FilePart(archive.take(), rows)
    yield FilePart(archive.close(), 0)


def _write(
    archive: StreamingZip, name: str, columns: Sequence[str], lines: Iterator[Mapping[str, Cell]]
) -> Iterator[int]:
    """Write a table into the archive. Yield after some lines, and at the end, how many were written."""
    with archive.file(f"{name}.csv") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        while chunk := [*islice(lines, CHUNK_ROWS)]:
            writer.writerows(chunk)
            yield len(chunk)


def _deployment(deployment: Deployment, context: FormatContext) -> dict[str, Cell]:
    latitude_deg, longitude_deg = context.position_deg(deployment.site)
    return {
        "deploymentID": deployment.id,
        "locationID": deployment.site,
        "locationName": escape_formula(context.title(deployment.site)),
        "latitude": latitude_deg,
        "longitude": longitude_deg,
        "deploymentStart": iso_utc(deployment.start, "seconds"),
        "deploymentEnd": iso_utc(deployment.end, "seconds"),
        "cameraID": deployment.device,
        "timestampIssues": "true" if deployment.unknown_clock else "false",
        "habitat": escape_formula(context.habitat(deployment.site)),
        "deploymentTags": "sensor:acoustic",
        "deploymentComments": UNKNOWN_CLOCK if deployment.unknown_clock else "",
    }


def _medium(recording: RowValues) -> dict[str, Cell]:
    path = safe_path(recording["path"])
    return {
        "mediaID": _medium_id(recording),
        "deploymentID": deployment_id(recording["site"], recording["device"], unknown_clock=bool(recording["unknown"])),
        "timestamp": iso_utc(recording["start_utc"], "seconds"),
        "filePath": f"media/{path}",
        "filePublic": "false",
        "fileName": safe_path(inner_path(recording["recording_name"])),
        "fileMediatype": MEDIA_TYPES.get(PurePosixPath(path).suffix.lower(), "audio/wav"),
        "mediaComments": UNKNOWN_CLOCK if recording["unknown"] else "",
    }


def _medium_id(row: RowValues) -> str:
    return f"{row['site']}:{row['device']}:{escape_formula(row['recording'])}"


def _observation(call: RowValues) -> dict[str, Cell]:
    name, tags = counted_name(call), [f"label:{counted_label(call)}"]
    rejected = call["verdict"] == Verdict.REJECTED
    if call["verdict"]:
        by = {"classificationMethod": "human", "classifiedBy": call["reviewer"]}
        by["classificationTimestamp"] = reviewed_utc(call)
        tags += [f"verdict:{call['verdict']}", f"model:{model(call)}", f"modelLabel:{call['label']}"]
        tags.append(f"modelScore:{call['p_peak']:.3f}")
    else:
        by = {"classificationMethod": "machine", "classifiedBy": model(call)}
        by["classificationProbability"] = call["p_peak"]
    comments = [f"Not {name}, which the model reported." if rejected else name if "/" in name else "", clock_note(call)]
    return {
        "observationID": str(call["id"]),
        "deploymentID": deployment_id(call["site"], call["device"], unknown_clock=not time_is_known(call)),
        "mediaID": _medium_id(call),
        "eventStart": iso_utc(call["start_utc"], "seconds"),
        "eventEnd": iso_utc(max(call["start_utc"], call["end_utc"]), "seconds"),
        "observationLevel": "media",
        "observationType": "blank" if rejected else "animal",
        "scientificName": "" if rejected else escape_formula(taxon_name(name)),
        **{column: escape_formula(value) for column, value in by.items()},
        "observationTags": escape_formula(" | ".join(tags)),
        "observationComments": escape_formula(" ".join(filter(None, comments))),
    }


def _package(
    source: ResultSource, context: FormatContext, deployments: Sequence[Deployment], left_out: Sequence[str]
) -> dict[str, Any]:
    now = context.written_utc
    begin = min((each.start for each in deployments), default=now)
    end = max((each.end for each in deployments), default=now)
    created = iso_utc(now, "seconds")
    return {
        "profile": f"{STANDARD}/camtrap-dp-profile.json",
        "name": context.program,
        "id": str(uuid5(NAMESPACE, f"package/{created}/{[each.id for each in deployments]}")),
        "created": created,
        "version": "1.0",
        "description": _description(deployments, left_out),
        "contributors": [{"title": context.program, "role": "contributor"}],
        "project": {
            "title": "Calls of frogs, detected by recorders",
            "samplingDesign": "opportunistic",
            "captureMethod": ["timeLapse"],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
        "spatial": {
            "type": "MultiPoint",
            "coordinates": sorted({context.position_deg(each.site)[::-1] for each in deployments}),
        },
        "temporal": {"start": f"{begin:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"},
        "taxonomic": [{"scientificName": name} for name in sorted({*map(taxon_name, source.taxa())})],
        "resources": [*map(_resource, ("deployments", "media", "observations"))],
    }


def _resource(name: str) -> dict[str, str]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": f"{STANDARD}/{name}-table-schema.json",
    }


def _description(deployments: Sequence[Deployment], left_out: Sequence[str]) -> str:
    sentences = ["Calls that a model detected in recordings. A person confirmed, rejected or relabelled some of them."]
    if unknown := sorted({each.device for each in deployments if each.unknown_clock}):
        sentences.append(f"The clock of some recordings is unknown: {', '.join(unknown)}.")
    if left_out:
        sentences.append(f"Left out, because the position is unknown: {', '.join(left_out)}.")
    return " ".join(sentences)
