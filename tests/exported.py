"""Rows in a database of the base station, and what its exports say about them."""

import csv
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine

from anura_base.analysis.reviews import add_review
from anura_base.config.settings import Site
from anura_base.exchange.export import export
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.events import Verdict
from anura_edge.wire import Row, batch

POND = {"pond": Site(title="The pond", latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")}


def store(engine: Engine, *rows: Row, site: str = "pond", device: str = "one") -> None:
    """Store rows of one kind as a device sends them."""
    message = RawMessage(f"anura/v1/{site}/{device}/{rows[0].kind}", batch(uuid4(), 1, rows), False, datetime.now(UTC))
    with engine.begin() as connection:
        ingest(connection, [message])


def judge(engine: Engine, event: UUID, verdict: str, label: str = "") -> None:
    """Store the review of an event by Ana."""
    with engine.begin() as connection:
        add_review(connection, event, "ana", Verdict(verdict), label)


def whole_file(engine: Engine, name: str, sites: Mapping[str, Site] = POND, **options: Any) -> bytes:
    """Return an exported file."""
    return b"".join(part.data for part in export(engine, name, sites, **options))


def lines_of(data: bytes, delimiter: str = ",") -> list[dict[str, Any]]:
    """Return the lines of a table, by column."""
    return [*csv.DictReader(io.StringIO(data.decode(), newline=""), delimiter=delimiter)]


def table(engine: Engine, name: str, **options: Any) -> list[dict[str, Any]]:
    """Return the lines of an exported table."""
    return lines_of(whole_file(engine, name, **options), "\t" if name == "raven" else ",")


def unzipped(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}
