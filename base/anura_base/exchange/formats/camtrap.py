"""Camtrap DP 1.0.2 (https://camtrap-dp.tdwg.org), the exchange format of camera traps, with recorders as cameras.

A device at a site is a deployment. A recording is a medium. A call is a machine observation at media level.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, select, union_all

from anura_base.db.schema import effort, events
from anura_base.exchange.formats.audacity import safe_name
from anura_base.exchange.rows import CHUNK_ROWS, ExportContext, FilePart, RowValues, iso_utc, read_rows, taxon_name
from anura_base.exchange.spreadsheet import Cell, escape_formula
from anura_base.exchange.streaming_zip import StreamingZip
from anura_edge.errors import ConfigError

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


@dataclass(frozen=True, slots=True)
class _Deployment:
    site: str
    device: str
    start: datetime
    end: datetime


def camtrap_dp(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a ZIP of the package.

    Raises ConfigError if the position of a site is unknown, because the standard requires positions.
    """
    deployments = _deployments(connection)
    without_position = sorted({each.site for each in deployments if context.site(each.site).latitude_deg is None})
    if without_position:
        raise ConfigError(
            f"Camtrap DP needs the position of {', '.join(without_position)}:"
            " set latitude_deg and longitude_deg under `sites`"
        )
    archive = StreamingZip()
    with archive.file("datapackage.json") as file:
        json.dump(_package(connection, context, deployments), file, indent=2)
    with archive.file("deployments.csv") as file:
        _write_table(file, DEPLOYMENTS, (_deployment(each, context) for each in deployments))
    with archive.file("media.csv") as file:
        _write_table(file, MEDIA, _media(connection))
    with archive.file("observations.csv") as file:
        writer = _start_table(file, OBSERVATIONS)
        rows = 0
        for call in read_rows(connection, events):
            writer.writerow(_observation(call))
            rows += 1
            if rows == CHUNK_ROWS:
                yield FilePart(archive.take(), rows)
                rows = 0
    yield FilePart(archive.close(), rows)


def _start_table(file: Any, columns: Sequence[str]) -> "csv.DictWriter[str]":  # noqa: ANN401  (any object with `write`)
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    return writer


def _write_table(file: Any, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:  # noqa: ANN401
    _start_table(file, columns).writerows(rows)


def _deployments(connection: Connection) -> list[_Deployment]:
    c, e = events.c, effort.c
    spans = union_all(
        select(c.site, c.device, func.min(c.start_utc).label("start"), func.max(c.end_utc).label("end")).group_by(
            c.site, c.device
        ),
        select(e.site, e.device, func.min(e.start_utc), func.max(e.start_utc)).group_by(e.site, e.device),
    ).subquery()
    s = spans.c
    query = select(s.site, s.device, func.min(s.start), func.max(s.end)).group_by(s.site, s.device)
    return [_Deployment(*row) for row in connection.execute(query.order_by(s.site, s.device))]


def _id(site: str, device: str) -> str:
    return f"{site}:{device}"


def _deployment(deployment: _Deployment, context: ExportContext) -> dict[str, Cell]:
    site = context.site(deployment.site)
    return {
        "deploymentID": _id(deployment.site, deployment.device),
        "locationID": deployment.site,
        "locationName": escape_formula(site.title or deployment.site),
        "latitude": site.latitude_deg or 0.0,
        "longitude": site.longitude_deg or 0.0,
        "deploymentStart": iso_utc(deployment.start, "seconds"),
        "deploymentEnd": iso_utc(deployment.end, "seconds"),
        "cameraID": deployment.device,
        "habitat": escape_formula(site.habitat or ""),
        "deploymentTags": "sensor:acoustic",
    }


def _media(connection: Connection) -> Iterator[dict[str, Cell]]:
    recordings = union_all(
        *(
            select(t.c.site, t.c.device, t.c.recording, t.c.recording_name.label("name"), t.c.start_utc.label("start"))
            for t in (effort, events)
        )
    ).subquery()
    c = recordings.c
    query = select(c.site, c.device, c.recording, func.min(c.name), func.min(c.start))
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query.group_by(c.site, c.device, c.recording))
    for site, device, recording, name, start in result:
        yield {
            "mediaID": _medium(site, device, recording),
            "deploymentID": _id(site, device),
            "timestamp": iso_utc(start, "seconds"),
            "filePath": f"media/{safe_name(name)}",
            "filePublic": "false",
            "fileName": safe_name(name),
            "fileMediatype": "audio/flac" if name.lower().endswith(".flac") else "audio/wav",
        }


def _medium(site: str, device: str, recording: str) -> str:
    return f"{_id(site, device)}:{escape_formula(recording)}"


def _observation(call: RowValues) -> dict[str, Cell]:
    name = call["scientific_name"]
    return {
        "observationID": str(call["id"]),
        "deploymentID": _id(call["site"], call["device"]),
        "mediaID": _medium(call["site"], call["device"], call["recording"]),
        "eventStart": iso_utc(call["start_utc"], "seconds"),
        "eventEnd": iso_utc(max(call["start_utc"], call["end_utc"]), "seconds"),
        "observationLevel": "media",
        "observationType": "animal",
        "scientificName": escape_formula(taxon_name(name)),
        "classificationMethod": "machine",
        "classifiedBy": escape_formula(f"{call['model_id']} {call['model_version']}"),
        "classificationProbability": call["p_peak"],
        "observationTags": escape_formula(f"label:{call['label']}"),
        "observationComments": escape_formula(name) if "/" in name else "",
    }


def _package(connection: Connection, context: ExportContext, deployments: Sequence[_Deployment]) -> dict[str, Any]:
    names = connection.scalars(select(events.c.scientific_name).distinct().order_by(events.c.scientific_name))
    positions = sorted(
        {(site.longitude_deg, site.latitude_deg) for each in deployments if (site := context.site(each.site))}
    )
    now = datetime.now(UTC)
    times = [each.start for each in deployments] or [now], [each.end for each in deployments] or [now]
    return {
        "profile": f"{STANDARD}/camtrap-dp-profile.json",
        "name": "anura-base",
        "id": str(uuid4()),
        "created": iso_utc(now, "seconds"),
        "version": "1.0",
        "contributors": [{"title": "anura-base", "role": "contributor"}],
        "project": {
            "title": "Calls of frogs, detected by recorders",
            "samplingDesign": "opportunistic",
            "captureMethod": ["timeLapse"],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
        "spatial": {"type": "MultiPoint", "coordinates": positions},
        "temporal": {"start": f"{min(times[0]):%Y-%m-%d}", "end": f"{max(times[1]):%Y-%m-%d}"},
        "taxonomic": [{"scientificName": name} for name in sorted({taxon_name(name) for name in names if name})],
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
