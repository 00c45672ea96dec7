"""What the front page shows while rows arrive."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.analysis import rollup
from anura_base.analysis.rollup import RollupProgress
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.web.app import create_app


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_count_of_the_night_follows_the_list_of_calls(engine: Engine, sender, make) -> None:  # noqa: ANN001
    install_triggers(engine)
    worker, progress = SimpleNamespace(commits=0, healthy=True), RollupProgress()
    broker, sites = SimpleNamespace(connected=True), {"INCT04": Site()}
    app = create_app(engine, worker, broker, threading.Event(), sites=sites, rollup=progress)
    client = TestClient(app, base_url="http://127.0.0.1")
    start = datetime(2026, 11, 20, 22, tzinfo=UTC)
    for number in (1, 2):
        sender.ack(make.event(number, start_utc=start, end_utc=start, scientific_name="Boana faber"))
        worker.commits += 1
        assert f"{number} call{'s' if number > 1 else ''}, 1 site<" not in client.get("/").text  # no sum yet
        progress.changes += rollup.refresh(engine)
        assert f"{number} call{'s' if number > 1 else ''}, 1 site<" in client.get("/").text
