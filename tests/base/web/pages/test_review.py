"""The page Review without a browser."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from device_rows import START, event
from sqlalchemy import Engine, insert, select
from starlette.testclient import TestClient

from anura_base.analysis import rollup
from anura_base.analysis.reviews import find_event
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.verdicts import reviews
from anura_base.clips.tables import clips
from anura_base.db.schema import events

CUVIERI, FABER = "Physalaemus cuvieri", "Boana faber"


def put(engine: Engine, **changes: Any) -> UUID:
    row = event(1, start_utc=START, end_utc=START + timedelta(seconds=2), **changes).model_dump()
    with engine.begin() as connection:
        where = {"site": "pond", "device": "one", "journal": uuid4(), "received_utc": START}
        connection.execute(insert(events).values({**row, **where}))
    return UUID(str(row["id"]))


@pytest.fixture
def client(client_of: Callable[..., TestClient], engine: Engine) -> TestClient:
    install_triggers(engine)
    for number in range(1, 4):
        put(engine, label="BOAFAB", scientific_name=FABER, p_peak=number / 10, id=UUID(int=number))
    rollup.refresh(engine)
    return client_of()


def review(client: TestClient, address: str, verdict: str) -> None:
    token = client.get("/token").json()
    answer = client.post(address, data={"verdict": verdict, "csrf_token": token})
    assert answer.status_code == 303, answer.text


def selected_species(page: str) -> list[str]:
    return re.findall(r"<option selected>([^<]*)</option>", page)


def test_link_to_a_call_shows_its_species_filter_and_precision(client: TestClient, engine: Engine) -> None:
    call = put(engine)
    rollup.refresh(engine)
    review(client, f"/review/{call}?species={CUVIERI}", "confirmed")
    page = client.get(f"/review?event={call}&species={FABER}&site=fen").text
    assert f"<em>{CUVIERI}</em> <small>PHYCUV</small>" in page
    assert selected_species(page) == [CUVIERI]
    assert f"Precision <small><em>{CUVIERI}</em>" in page
    assert '<option value="fen" selected' not in page
    assert re.search(r'data-name="Reviewed">1<', page)
    assert "confirmed" in page.partition("<dt>Verdict</dt>")[2][:40], "the verdict, its reviewer and time are shown"


def test_link_to_an_unknown_call_is_not_found(client: TestClient) -> None:
    assert client.get(f"/review?event={uuid4()}").status_code == 404


def test_only_the_call_that_was_drawn_is_stored_as_drawn(client: TestClient, engine: Engine) -> None:
    review(client, f"/review/{UUID(int=1)}?species={FABER}&order=random", "confirmed")
    review(client, f"/review/{UUID(int=3)}?species={FABER}&order=random", "confirmed")  # by a link, not by the draw
    review(client, f"/review/{UUID(int=2)}?species={FABER}&order=highest", "confirmed")
    with engine.connect() as connection:
        assert connection.scalars(select(reviews.c.drawn_from).order_by(reviews.c.number)).all() == ["", None, None]


def test_now_and_explore_show_the_verdict(client: TestClient, engine: Engine) -> None:
    review(client, f"/review/{UUID(int=1)}?species={FABER}", "rejected")
    assert '<span class="quiet">rejected</span>' in client.get("/").text
    with engine.begin() as connection:
        call = find_event(connection, UUID(int=1))
        assert call
        values = {"event_id": call.id, "site": call.site, "device": call.device, "state": "here", "changed_utc": START}
        connection.execute(insert(clips).values({**values, "asked_by": "", "detail": ""}))
    (listed,) = client.get("/explore/recordings").json()["recordings"]
    assert listed["name"].endswith(f"{FABER}, rejected")
