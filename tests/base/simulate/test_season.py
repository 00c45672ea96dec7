"""A small run of the season benchmark: no row is lost or doubled. Its speed is not checked here."""

from datetime import date
from pathlib import Path

import pytest
import season
from support import Broker

from anura_base.simulate.messages import season_messages


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_killed_base_station_loses_and_doubles_no_row(tmp_path: Path, broker: Broker, database_url: str) -> None:
    messages = [*season_messages(7, 3, 1, date(2026, 6, 10))]
    sent = season.ids_of(messages)
    with season.base_station(tmp_path, database_url, broker.port) as base:
        season.send_with_kills(base, broker.port, messages, kills=2)
        assert base.kills == 2
    found = season.count(database_url, sent)
    assert min(found["event"].sent, found["effort"].sent) > 100
    assert {(kind, each.lost, each.doubled) for kind, each in found.items()} == {(kind, 0, 0) for kind in found}
