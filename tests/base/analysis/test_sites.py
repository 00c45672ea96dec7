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


def tell(connection: Connection, site: str, device: str, **place: object) -> None:
    payload = Status(state="online", **place).to_bytes()
    ingest(connection, [RawMessage(f"anura/v1/{site}/{device}/status", payload, False, datetime.now(UTC))])


def test_the_settings_go_before_what_devices_say_of_their_place(connection: Connection) -> None:
    tell(connection, "pond", "a")
    tell(connection, "pond", "b", latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")
    tell(connection, "swamp", "c", latitude_deg=10.0, longitude_deg=20.0)
    known = {"swamp": Site(title="The swamp", zone="Europe/Berlin"), "bog": Site()}
    assert all_sites(connection, known) == {
        **known,
        "pond": Site(latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo"),
    }


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "/etc/localtime", "America", "", "é" * 64])
def test_a_zone_that_nobody_knows_is_utc(connection: Connection, zone: str) -> None:
    tell(connection, "pond", "a", zone=zone)
    assert all_sites(connection, {}) == {"pond": Site(zone="UTC")}
