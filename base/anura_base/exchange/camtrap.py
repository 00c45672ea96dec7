"""Camtrap DP 1.0.2 (https://camtrap-dp.tdwg.org), as camera traps exchange it: recorders in the place of cameras.

A recorder at a site is a deployment, a recording a medium, a call an observation of a machine at the level of media.
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
from anura_base.exchange.audacity import safe_name
from anura_base.exchange.rows import CHUNK_ROWS, Cell, Context, Piece, Record, harmless, records, taxon, zulu
from anura_base.exchange.streaming_zip import Zipped
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
"""Every column in the standard's order, the empty ones, too: readers check the head of a table."""


@dataclass(frozen=True, slots=True)
class _Deployment:
    site: str
    device: str
    start: datetime
    end: datetime


def camtrap_dp(connection: Connection, context: Context) -> Iterator[Piece]:
    """Yield a ZIP of the package.

    Raises ConfigError when a site's place is not known: the standard does without none.
    """
    deployments = _deployments(connection)
    placeless = sorted({each.site for each in deployments if context.site(each.site).latitude_deg is None})
    if placeless:
        raise ConfigError(
            f"Camtrap DP needs the place of {', '.join(placeless)}: set latitude_deg and longitude_deg under `sites`"
        )
    archive = Zipped()
    with archive.file("datapackage.json") as file:
        json.dump(_package(connection, context, deployments), file, indent=2)
    with archive.file("deployments.csv") as file:
        _write(file, DEPLOYMENTS, (_deployment(each, context) for each in deployments))
    with archive.file("media.csv") as file:
        _write(file, MEDIA, _media(connection))
    with archive.file("observations.csv") as file:
        writer = _head(file, OBSERVATIONS)
        rows = 0
        for call in records(connection, events):
            writer.writerow(_observation(call))
            rows += 1
            if rows == CHUNK_ROWS:
                yield Piece(archive.take(), rows)
                rows = 0
    yield Piece(archive.close(), rows)


def _head(file: Any, columns: Sequence[str]) -> "csv.DictWriter[str]":  # noqa: ANN401  (whatever has `write`)
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    return writer


def _write(file: Any, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:  # noqa: ANN401
    _head(file, columns).writerows(rows)


def _deployments(connection: Connection) -> list[_Deployment]:
    c, e = events.c, effort.c
    stretches = union_all(
        select(c.site, c.device, func.min(c.start_utc).label("start"), func.max(c.end_utc).label("end")).group_by(
            c.site, c.device
        ),
        select(e.site, e.device, func.min(e.start_utc), func.max(e.start_utc)).group_by(e.site, e.device),
    ).subquery()
    s = stretches.c
    query = select(s.site, s.device, func.min(s.start), func.max(s.end)).group_by(s.site, s.device)
    return [_Deployment(*row) for row in connection.execute(query.order_by(s.site, s.device))]


def _id(site: str, device: str) -> str:
    return f"{site}:{device}"


def _deployment(this: _Deployment, context: Context) -> dict[str, Cell]:
    site = context.site(this.site)
    return {
        "deploymentID": _id(this.site, this.device),
        "locationID": this.site,
        "locationName": harmless(site.title or this.site),
        "latitude": site.latitude_deg or 0.0,
        "longitude": site.longitude_deg or 0.0,
        "deploymentStart": zulu(this.start, "seconds"),
        "deploymentEnd": zulu(this.end, "seconds"),
        "cameraID": this.device,
        "habitat": harmless(site.habitat or ""),
        "deploymentTags": "sensor:acoustic",
    }


def _media(connection: Connection) -> Iterator[dict[str, Cell]]:
    heard = union_all(
        *(
            select(t.c.site, t.c.device, t.c.recording, t.c.recording_name.label("name"), t.c.start_utc.label("start"))
            for t in (effort, events)
        )
    ).subquery()
    c = heard.c
    query = select(c.site, c.device, c.recording, func.min(c.name), func.min(c.start))
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query.group_by(c.site, c.device, c.recording))
    for site, device, recording, name, start in result:
        yield {
            "mediaID": _medium(site, device, recording),
            "deploymentID": _id(site, device),
            "timestamp": zulu(start, "seconds"),
            "filePath": f"media/{safe_name(name)}",
            "filePublic": "false",
            "fileName": safe_name(name),
            "fileMediatype": "audio/flac" if name.lower().endswith(".flac") else "audio/wav",
        }


def _medium(site: str, device: str, recording: str) -> str:
    return f"{_id(site, device)}:{harmless(recording)}"


def _observation(call: Record) -> dict[str, Cell]:
    name = call["scientific_name"]
    return {
        "observationID": str(call["id"]),
        "deploymentID": _id(call["site"], call["device"]),
        "mediaID": _medium(call["site"], call["device"], call["recording"]),
        "eventStart": zulu(call["start_utc"], "seconds"),
        "eventEnd": zulu(max(call["start_utc"], call["end_utc"]), "seconds"),
        "observationLevel": "media",
        "observationType": "animal",
        "scientificName": harmless(taxon(name)),
        "classificationMethod": "machine",
        "classifiedBy": harmless(f"{call['model_id']} {call['model_version']}"),
        "classificationProbability": call["p_peak"],
        "observationTags": harmless(f"label:{call['label']}"),
        "observationComments": harmless(name) if "/" in name else "",
    }


def _package(connection: Connection, context: Context, deployments: Sequence[_Deployment]) -> dict[str, Any]:
    names = connection.scalars(select(events.c.scientific_name).distinct().order_by(events.c.scientific_name))
    places = sorted(
        {(site.longitude_deg, site.latitude_deg) for each in deployments if (site := context.site(each.site))}
    )
    now = datetime.now(UTC)
    days = [each.start for each in deployments] or [now], [each.end for each in deployments] or [now]
    return {
        "profile": f"{STANDARD}/camtrap-dp-profile.json",
        "name": "anura-base",
        "id": str(uuid4()),
        "created": zulu(now, "seconds"),
        "version": "1.0",
        "contributors": [{"title": "anura-base", "role": "contributor"}],
        "project": {
            "title": "Calls of frogs, heard by recorders",
            "samplingDesign": "opportunistic",
            "captureMethod": ["timeLapse"],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
        "spatial": {"type": "MultiPoint", "coordinates": places},
        "temporal": {"start": f"{min(days[0]):%Y-%m-%d}", "end": f"{max(days[1]):%Y-%m-%d}"},
        "taxonomic": [{"scientificName": name} for name in sorted({taxon(name) for name in names if name})],
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
