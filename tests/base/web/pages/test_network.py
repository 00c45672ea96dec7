"""The page Network, the pages of a device and of a site, and the changes on them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from cheap_passwords import PASSWORD  # noqa: F401  (log_in uses it)
from sqlalchemy import Engine, func, insert, select, update
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.access.tables import audit_log
from anura_base.analysis import device_history, rollup, site_history
from anura_base.analysis.network_view import Show, Sort, arrange
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.db.device_tables import health_hours
from anura_base.db.schema import devices, effort, events
from anura_base.ingest.device_writer import MAX_HEALTH_HOURS
from anura_edge.wire import Health, Status

SITE = "INCT04"
KEY = {"site": SITE, "device": "one"}
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.fixture
def sender(new_sender):  # noqa: ANN001, ANN201
    return new_sender(device="one")


@pytest.fixture
def client(client_of: Callable[..., TestClient]) -> TestClient:
    client = client_of()
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    return client


def health(**values: object) -> Health:
    known = {
        "utc": NOW, "every_s": 60, "uptime_s": 1, "running_s": 1, "app_version": "1", "model_sha256": "a" * 64,
        "config_hash": "c", "overruns": 0, "analysed_s": 1, "dropped_s": 0, "gaps": 0, "pending": 0,
    }  # fmt: skip
    return Health(**{**known, **values})


def device(name: str, *, problems: int = 0, retired: bool = False, **values: object) -> SimpleNamespace:
    known = {"site": SITE, "device": name, "calls": 0, "health": None, "last_seen_utc": NOW}
    return SimpleNamespace(
        **{**known, **values},
        retired=retired,
        problems=["p"] * problems,
        needs_attention=bool(problems) and not retired,
    )


def test_devices_with_problems_come_first_and_retired_ones_not_at_all() -> None:
    fleet = [device("a"), device("b", problems=1), device("c", problems=3), device("d", problems=2, retired=True)]

    def names(show: Show = Show.IN_USE, sort: Sort = Sort.PROBLEMS, search: str = "") -> str:
        return "".join(each.device for each in arrange(fleet, show, sort, search))

    assert (names(), names(Show.ATTENTION), names(Show.RETIRED), names(sort=Sort.NAME)) == ("cba", "cb", "d", "abc")
    assert names(search="inct04/B") == "b"


@pytest.mark.parametrize("sort", list(Sort))
def test_each_order_takes_devices_without_values(sort: Sort) -> None:
    full = health(pending=5, disk_free_bytes=10, battery_percent=3.0)
    fleet = [device("new", last_seen_utc=None), device("old", health=full, calls=3)]
    assert {each.device for each in arrange(fleet, Show.IN_USE, sort, "")} == {"new", "old"}


def test_last_health_of_each_hour_is_stored_for_a_limited_time(sender, engine: Engine) -> None:  # noqa: ANN001
    last = int(NOW.timestamp() // 3_600)
    old = [{**KEY, "hour": last - age, "pending": age, "dropped_s": 0, "model_sha256": "m"}
           for age in range(1, MAX_HEALTH_HOURS + 1)]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(health_hours), old)
    for pending, temperature in ((7, 20.0), (9, 21.5)):
        sender.health(health(pending=pending, temperature_c=temperature))
    with engine.connect() as connection:
        rows = device_history.read_hours(connection, KEY, NOW)
        stored = connection.scalar(select(func.count()).select_from(health_hours))
    assert stored == MAX_HEALTH_HOURS
    frame = pd.DataFrame([dict(row._mapping) for row in rows])
    assert len(frame) == device_history.WEEKS * 7 * 24
    backlog = device_history.series(rows, device_history.MEASURES[0])
    assert backlog == [*zip(frame["hour"], frame["pending"], strict=True)]
    assert backlog[-1] == (last, 9)
    assert device_history.series(rows, device_history.MEASURES[3]) == [(last, 21.5)]


ZONE = "America/New_York"
"""Its summer time ended on 1 November 2026."""


def test_nights_equal_an_independent_computation(sender, make, engine: Engine) -> None:  # noqa: ANN001
    install_triggers(engine)
    begin = datetime(2026, 10, 30, tzinfo=UTC)
    for number in range(1, 25):
        start = begin + timedelta(hours=4.5 * number)
        sender.rows(make.effort(2 * number - 1, recording=f"r{number}", start_utc=start))
        sender.ack(
            make.event(2 * number, recording=f"r{number}", start_utc=start, end_utc=start + timedelta(seconds=1))
        )
    rollup.refresh(engine)
    now, site = begin + timedelta(days=6), Site(zone=ZONE)
    with engine.connect() as connection:
        of_device = device_history.read_nights(connection, KEY, site, now)
        of_site = site_history.read_site_nights(connection, SITE, site, now, 14)
        frames = {}
        for name, table in (("effort", effort), ("events", events)):
            frame = pd.DataFrame([dict(row._mapping) for row in connection.execute(select(table))])
            local = pd.to_datetime(frame["start_utc"], utc=True).dt.tz_convert(ZONE).dt.tz_localize(None)
            frames[name] = frame.assign(night=(local - pd.Timedelta(hours=12)).dt.date)
    calls = frames["events"].groupby("night").size()
    hours = frames["effort"].assign(h=lambda f: f["samples"] / f["rate_hz"] / 3_600).groupby("night")["h"].sum()
    species = frames["events"].groupby("night")["scientific_name"].nunique()
    assert {each.evening: each.calls for each in of_device if each.calls} == calls.to_dict()
    assert {each.evening: each.calls for each in of_site if each.calls} == calls.to_dict()
    assert {each.evening: each.species for each in of_site if each.species} == species.to_dict()
    for nights in (of_device, of_site):
        assert {each.evening: each.analysed_h for each in nights if each.analysed_h} == pytest.approx(hours.to_dict())


def sites_of_rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return dict(connection.execute(select(events.c.site, func.count()).group_by(events.c.site)).all())


def test_device_moves_since_a_local_time(client, sender, make, engine: Engine) -> None:  # noqa: ANN001
    sender.status(Status(state="online", zone="America/Sao_Paulo"))
    first = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for number in range(4):
        start = first + timedelta(days=number)
        sender.ack(
            make.event(number + 1, recording=f"r{number}", start_utc=start, end_utc=start + timedelta(seconds=1))
        )
    # 09:00 in São Paulo is 12:00 UTC.
    answer = client.post("/network/INCT04/one/move", data={"to": "lake", "since": "2026-05-03T09:00"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/network/lake/one")
    assert sites_of_rows(engine) == {SITE: 2, "lake": 2}
    assert client.get("/network/lake/one").status_code == 200
    assert client.post("/network/INCT04/one/move", data={"to": "lake"}).status_code == 303
    assert sites_of_rows(engine) == {"lake": 4}
    assert client.get("/network/INCT04/one").status_code == 404
    with engine.connect() as connection:
        assert list(connection.scalars(select(audit_log.c.what))) == [
            "moved INCT04/one to lake since 2026-05-03T09:00", "moved INCT04/one to lake"]  # fmt: skip
    assert "moved INCT04/one to lake" in client.get("/audit").text


def test_retired_device_is_hidden_until_it_sends_again(client, sender, engine: Engine) -> None:  # noqa: ANN001
    sender.status(Status(state="online"))
    client.post("/network/INCT04/one/retire", data={"retired": "true"})
    assert "/network/INCT04/one" not in client.get("/network").text
    assert "/network/INCT04/one" in client.get("/network?show=retired").text
    with engine.begin() as connection:
        connection.execute(update(devices).values(last_seen_utc=datetime.now(UTC) + timedelta(seconds=1)))
    assert "/network/INCT04/one" in client.get("/network").text


def test_notes_are_escaped_and_follow_the_device(client, sender) -> None:  # noqa: ANN001
    sender.status(Status(state="online"))
    data = {"kind": "maintenance", "text": "new <battery>"}
    assert client.post("/network/INCT04/one/note", data=data).status_code == 303
    assert client.post("/network/INCT04/one/rename", data={"name": "two"}).status_code == 303
    page = client.get("/network/INCT04/two").text
    assert ("new &lt;battery&gt;" in page, "maintenance" in page) == (True, True)


def test_device_with_rows_is_removed_only_when_this_is_stated(client, sender, make, engine) -> None:  # noqa: ANN001
    sender.rows(make.event(1))
    assert client.post("/network/INCT04/one/remove").status_code == 409
    assert client.post("/network/INCT04/one/remove", data={"with_rows": "true"}).status_code == 303
    assert sites_of_rows(engine) == {}


@pytest.mark.parametrize("action", ["move", "rename", "retire", "remove"])
def test_device_is_changed_by_admins_only(client_of, add_user, log_in, sender, action: str) -> None:  # noqa: ANN001
    sender.status(Status(state="online"))
    add_user("maria", Role.ADMIN)
    add_user("jose", Role.REVIEW)
    jose = client_of()
    jose.headers["X-CSRF-Token"] = log_in(jose, "jose")
    data = {"to": "lake", "name": "two", "retired": "true"}
    assert jose.post(f"/network/INCT04/one/{action}", data=data).status_code == 403
    assert "New name" not in jose.get("/network/INCT04/one").text
    assert jose.post("/network/INCT04/one/note", data={"kind": "note", "text": "t"}).status_code == 303
    assert jose.get("/audit").status_code == 403


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_open_pages_share_an_answer_and_a_new_page_is_fresh(client: TestClient, engine: Engine) -> None:
    def add(name: str) -> None:
        with engine.begin() as connection:
            connection.execute(insert(devices).values(site=SITE, device=name))

    def asked(path: str = "/network") -> str:
        return client.get(path, headers={"HX-Request": "true"}).text

    add("first")
    before = asked()
    assert before.lstrip().startswith('<section id="devices"')
    assert "first" in before
    add("second")
    assert asked() == before
    assert "second" in asked("/network?sort=name")
    assert "second" in client.get("/network").text
    assert (
        client.get("/network", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}).text[:9]
        == "<!doctype"
    )


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_program_that_follows_the_links_receives_each_device_once(client: TestClient, engine: Engine) -> None:
    keys = [(site, device) for site in ("pond", "pond-2", "fen") for device in ("b", "a-1", "a")]
    with engine.begin() as connection:
        connection.execute(insert(devices), [{"site": site, "device": device} for site, device in keys])
    found, address = [], "/api/devices?limit=2"
    while address:
        answer = client.get(address)
        found += [(view["site"], view["device"]) for view in answer.json()]
        address = answer.links.get("next", {}).get("url")
    assert found == sorted(keys)
