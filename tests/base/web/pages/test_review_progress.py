"""Several people review: nobody is shown the call of another person, and goals show how far the reviews are."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from exported import store
from sqlalchemy import Engine
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.analysis import rollup
from anura_base.analysis.review_goals import ReviewGoal, list_goals, progress, set_goal
from anura_base.analysis.reviews import add_review
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.web.pages.review_holds import HOLD_S, ReviewHolds
from anura_edge.events import Verdict

CUVIERI = "Physalaemus cuvieri"
QUEUE = "/review?species=Physalaemus+cuvieri"


@pytest.fixture
def app_client(client_of: Callable[..., TestClient], engine: Engine, make: Any, add_user: Any) -> TestClient:
    install_triggers(engine)
    store(engine, *(make.event(number, id=UUID(int=number)) for number in range(1, 31)))
    rollup.refresh(engine)
    for name, role in (("root", Role.ADMIN), ("ana", Role.REVIEW), ("bea", Role.REVIEW), ("eve", Role.VIEW)):
        add_user(name, role)
    return client_of()


@pytest.fixture
def people(app_client: TestClient, log_in: Any) -> Callable[[str], tuple[TestClient, str]]:
    """Return a browser of a user, and its CSRF token. All are at one base station."""

    def browser(name: str) -> tuple[TestClient, str]:
        client = TestClient(app_client.app, base_url="http://127.0.0.1:8080", follow_redirects=False)
        return client, log_in(client, name)

    return browser


def shown(client: TestClient) -> int:
    found = re.search(r'href="/calls/([0-9a-f-]+)#references"', client.get(QUEUE).text)
    assert found
    return UUID(found[1]).int


def test_two_people_are_shown_different_calls_that_both_count_as_drawn(people: Any, engine: Engine) -> None:
    (ana, ana_token), (bea, bea_token), (eve, _) = people("ana"), people("bea"), people("eve")
    assert [shown(ana), shown(bea), shown(ana), shown(eve)] == [1, 2, 1, 3]
    for client, token, call in ((bea, bea_token, 2), (ana, ana_token, 1)):
        address = f"/review/{UUID(int=call)}?species=Physalaemus+cuvieri&order=random"
        assert client.post(address, data={"verdict": "confirmed", "csrf_token": token}).status_code == 303
    with engine.connect() as connection:
        drawn = connection.exec_driver_sql("SELECT drawn_from FROM reviews").scalars().all()
    assert drawn == ["", ""], "from all sites"
    assert [shown(ana), shown(bea)] == [3, 4], "a viewer who may not review holds no call"


def test_call_is_shown_to_others_when_its_person_has_left() -> None:
    now_s = [0.0]
    holds = ReviewHolds(lambda: now_s[0])
    holds.hold("ana", UUID(int=1))
    holds.hold("ana", UUID(int=2))
    assert (holds.of_others("bea"), holds.of_others("ana")) == ([UUID(int=2)], [])
    now_s[0] = HOLD_S
    assert holds.of_others("bea") == []


def test_goal_is_given_shown_and_removed(people: Any, engine: Engine) -> None:
    (ana, token), (bea, _) = people("ana"), people("bea")
    goal = {"species": CUVIERI, "site": "pond", "person": "bea", "half_width": "0.1", "csrf_token": token}
    assert ana.post("/review/progress", data=goal).status_code == 303
    assert "For you: <em>Physalaemus cuvieri</em>, pond" in bea.get("/review").text
    assert "For you" not in ana.get("/review").text
    page = ana.get("/review/progress").text
    assert "± 10 %</td>" in page
    assert "not begun" in page
    assert ana.post("/review/progress", data={**goal, "person": "eve"}).status_code == 422, "she may not review"
    assert ana.post("/review/progress/remove", data=goal).status_code == 303
    with engine.connect() as connection:
        assert list_goals(connection) == []


def test_viewer_cannot_set_a_goal(people: Any) -> None:
    eve, token = people("eve")
    goal = {"species": CUVIERI, "half_width": "0.1", "csrf_token": token}
    assert eve.post("/review/progress", data=goal).status_code == 403
    assert "Set a goal" not in eve.get("/review/progress").text


def test_progress_counts_the_drawn_calls_and_ends_when_the_interval_is_narrow(
    app_client: TestClient, engine: Engine
) -> None:
    assert app_client
    goals = [ReviewGoal(CUVIERI, site, "ana", width) for site, width in (("", 0.15), ("", 0.03), ("fen", 0.05))]
    with engine.begin() as connection:
        for number in range(1, 31):
            name = "ana" if number <= 10 else "bea"
            add_review(connection, UUID(int=number), name, Verdict.CONFIRMED, drawn_from="")
        set_goal(connection, goals[0])
        set_goal(connection, goals[1])
        assert list_goals(connection) == [goals[1]], "a second goal replaces the first"
        wide, narrow, elsewhere = progress(connection, goals)
    low, high = wide.estimate.rows[0].interval
    assert (wide.reviewed, wide.by_person, wide.has_more_calls) == (30, 10, False)
    assert (high - low) / 2 < 0.15
    assert wide.more == 0
    assert narrow.more is not None
    assert narrow.more > 0, "30 right calls of 30 have an interval of about 14 %"
    assert (elsewhere.reviewed, elsewhere.more) == (0, None)
