from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.engine import open_database
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.wire import Status


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_database(f"sqlite:///{tmp_path / 'base.db'}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def send_status(connection: Connection, site: str, device: str, **place: object) -> None:
    payload = Status(state="online", **place).to_bytes()
    ingest(connection, [RawMessage(f"anura/v1/{site}/{device}/status", payload, False, datetime.now(UTC))])


def test_settings_have_priority_over_device_positions(connection: Connection) -> None:
    send_status(connection, "pond", "a")
    send_status(connection, "pond", "b", latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")
    send_status(connection, "swamp", "c", latitude_deg=10.0, longitude_deg=20.0)
    known = {"swamp": Site(title="The swamp", zone="Europe/Berlin"), "bog": Site()}
    assert all_sites(connection, known) == {
        **known,
        "pond": Site(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo"),
    }


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "/etc/localtime", "America", "", "é" * 64])
def test_unknown_zone_is_replaced_by_utc(connection: Connection, zone: str) -> None:
    send_status(connection, "pond", "a", zone=zone)
    assert all_sites(connection, {}) == {"pond": Site(zone="UTC")}
