"""Camtrap DP 1.0.2 (https://camtrap-dp.tdwg.org), the exchange format of camera traps, with recorders as cameras.

A device at a site is a deployment. Its recordings of unknown clock are a deployment of their own. A recording is a
medium. A call is an observation at media level, by a machine, or by the person who reviewed it.
"""

import csv
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, case, func, select, union, union_all

from anura_base.analysis.verdicts import reviews
from anura_base.db.schema import effort, events
from anura_base.exchange.deployments import Deployment, deployment_id, has_position, read_deployments
from anura_base.exchange.rows import ExportContext, read_rows, stream
from anura_edge.audio import ClockSource
from anura_edge.errors import ConfigError
from anura_edge.events import Verdict
from anura_edge.results.formats.audacity import safe_path
from anura_edge.results.formats.parts import CHUNK_ROWS, FilePart, RowValues
from anura_edge.results.formats.row_texts import (
    UNKNOWN_CLOCK,
    clock_note,
    counted_label,
    counted_name,
    iso_utc,
    model,
    recording_path,
    reviewed_utc,
    taxon_name,
    time_is_known,
)
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


def camtrap_dp(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a ZIP of the package. Sites without a position are left out, because the standard requires positions.

    Raises ConfigError if no site has a position.
    """
    all_deployments = read_deployments(connection)
    deployments = [each for each in all_deployments if has_position(context.site(each.site))]
    left_out = sorted({each.site for each in all_deployments} - {each.site for each in deployments})
    remedy = "set latitude_deg and longitude_deg under `sites`"
    if left_out and not deployments:
        raise ConfigError(f"Camtrap DP needs the position of {', '.join(left_out)}: {remedy}")
    if left_out:
        log.warning("Camtrap DP: %s left out, because the position is unknown; %s", ", ".join(left_out), remedy)
    archive = StreamingZip()
    with archive.file("datapackage.json") as file:
        json.dump(_package(connection, context, deployments, left_out), file, indent=2)
    calls = (call for call in read_rows(connection, events, context) if has_position(context.site(call["site"])))
    for _ in _write(archive, "deployments", DEPLOYMENTS, (_deployment(each, context) for each in deployments)):
        yield FilePart(archive.take(), 0)
    for _ in _write(archive, "media", MEDIA, _media(connection, context)):
        yield FilePart(archive.take(), 0)
    for rows in _write(archive, "observations", OBSERVATIONS, map(_observation, calls)):
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


def _deployment(deployment: Deployment, context: ExportContext) -> dict[str, Cell]:
    site = context.site(deployment.site)
    return {
        "deploymentID": deployment.id,
        "locationID": deployment.site,
        "locationName": escape_formula(site.title or deployment.site),
        "latitude": site.latitude_deg or 0.0,
        "longitude": site.longitude_deg or 0.0,
        "deploymentStart": iso_utc(deployment.start, "seconds"),
        "deploymentEnd": iso_utc(deployment.end, "seconds"),
        "cameraID": deployment.device,
        "timestampIssues": "true" if deployment.unknown_clock else "false",
        "habitat": escape_formula(site.habitat or ""),
        "deploymentTags": "sensor:acoustic",
        "deploymentComments": UNKNOWN_CLOCK if deployment.unknown_clock else "",
    }


def _media(connection: Connection, context: ExportContext) -> Iterator[dict[str, Cell]]:
    columns = [
        (t.c.site, t.c.device, t.c.recording, t.c.recording_name, t.c.start_utc, t.c.clock_source)
        for t in (effort, events)
    ]
    c = union_all(*(select(*each) for each in columns)).subquery().c
    unknown = func.max(case((c.clock_source == ClockSource.UNKNOWN, 1), else_=0)).label("unknown")
    values = func.min(c.recording_name).label("recording_name"), func.min(c.start_utc).label("start_utc"), unknown
    key = c.site, c.device, c.recording
    for row in stream(connection, select(*key, *values).group_by(*key)):
        if has_position(context.site(row["site"])):
            path = safe_path(recording_path(row["site"], row["device"], row["recording_name"]))
            yield {
                "mediaID": _medium(row),
                "deploymentID": deployment_id(row["site"], row["device"], unknown_clock=bool(row["unknown"])),
                "timestamp": iso_utc(row["start_utc"], "seconds"),
                "filePath": f"media/{path}",
                "filePublic": "false",
                "fileName": path.split("/", 2)[2],
                "fileMediatype": MEDIA_TYPES.get(PurePosixPath(path).suffix.lower(), "audio/wav"),
                "mediaComments": UNKNOWN_CLOCK if row["unknown"] else "",
            }


def _medium(row: RowValues) -> str:
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
        "mediaID": _medium(call),
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
    connection: Connection, context: ExportContext, deployments: Sequence[Deployment], left_out: Sequence[str]
) -> dict[str, Any]:
    sites = [context.site(each.site) for each in deployments]
    now = datetime.now(UTC)
    begin, end = (
        min((each.start for each in deployments), default=now),
        max((each.end for each in deployments), default=now),
    )
    return {
        "profile": f"{STANDARD}/camtrap-dp-profile.json",
        "name": "anura-base",
        "id": str(uuid4()),
        "created": iso_utc(now, "seconds"),
        "version": "1.0",
        "description": _description(deployments, left_out),
        "contributors": [{"title": "anura-base", "role": "contributor"}],
        "project": {
            "title": "Calls of frogs, detected by recorders",
            "samplingDesign": "opportunistic",
            "captureMethod": ["timeLapse"],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
        "spatial": {
            "type": "MultiPoint",
            "coordinates": sorted({(site.longitude_deg, site.latitude_deg) for site in sites}),
        },
        "temporal": {"start": f"{begin:%Y-%m-%d}", "end": f"{end:%Y-%m-%d}"},
        "taxonomic": [{"scientificName": name} for name in _taxa(connection)],
        "resources": [
            {
                "name": name,
                "path": f"{name}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{STANDARD}/{name}-table-schema.json",
            }
            for name in ("deployments", "media", "observations")
        ],
    }


def _description(deployments: Sequence[Deployment], left_out: Sequence[str]) -> str:
    sentences = ["Calls that a model detected in recordings. A person confirmed, rejected or relabelled some of them."]
    if unknown := sorted({each.device for each in deployments if each.unknown_clock}):
        sentences.append(f"The clock of some recordings is unknown: {', '.join(unknown)}.")
    if left_out:
        sentences.append(f"Left out, because the position is unknown: {', '.join(left_out)}.")
    return " ".join(sentences)


def _taxa(connection: Connection) -> list[str]:
    names = union(select(events.c.scientific_name), select(reviews.c.scientific_name))
    return sorted({taxon_name(name) for name in connection.scalars(names) if name})
