"""Ten tasks of a team, each in at most four clicks from the page Now, in a real browser."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from browser import Page
from sqlalchemy import Engine, insert, select
from support import eventually, free_port

from anura_base.access.tables import invitations
from anura_base.alerts.tables import firings
from anura_base.analysis import rollup
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.stored_settings import stored_rules
from anura_base.analysis.verdicts import reviews
from anura_base.config.settings import Site
from anura_base.db.device_tables import device_notes
from anura_base.db.engine import open_database
from anura_base.db.schema import devices, effort, events, health
from anura_edge.nights import night, night_date
from anura_edge.wire import Health

MAX_CLICKS = 4

ZONE = "America/New_York"
NOW = datetime.now(UTC)
EVENING = night_date(NOW, Site(zone=ZONE)) - timedelta(days=1)
BEGIN = night(Site(zone=ZONE), EVENING).begin_utc + timedelta(hours=9)
GRATIOSA, CINEREA = "Hyla gratiosa", "Hyla cinerea"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("team") / "base.db"


@pytest.fixture(scope="module")
def engine(database: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{database}")
    install_triggers(engine)
    with engine.begin() as connection:
        for number in range(1, 8):
            _add_device(connection, f"recorder-{number}", problem="the battery is at 3%" if number == 2 else "")
        for number in range(12):
            species = GRATIOSA if number % 2 else CINEREA
            _add_call(connection, number, species, site="lake-shore" if number % 3 else "pond")
        for number in range(12, 15):
            _add_call(connection, number, "Anaxyrus fowleri", site="lake-shore")
    rollup.refresh(engine)
    yield engine
    engine.dispose()


def _add_device(connection: Any, name: str, problem: str) -> None:
    key = {"site": "pond", "device": name}
    report = Health(
        utc=NOW, every_s=86_400, uptime_s=1, running_s=1, overruns=0, analysed_s=1, dropped_s=0, gaps=0, pending=0,
        app_version="1", model_sha256="aa", config_hash="c", problems=(problem,) if problem else (),
    )  # fmt: skip
    known = {"state": "online", "last_seen_utc": NOW, "zone": ZONE, "latitude_deg": 35.0, "longitude_deg": -78.0}
    connection.execute(insert(devices).values(**key, **known))
    connection.execute(insert(health).values(**key, received_utc=NOW, message=report.to_bytes().decode()))


def _add_call(connection: Any, number: int, species: str, site: str) -> None:
    row = {
        "id": UUID(int=number + 1), "site": site, "device": "recorder-7", "journal": UUID(int=1), "received_utc": NOW,
        "seq": number + 1, "recording": f"b2:{number}", "recording_name": "REC.wav", "rate_hz": 1_000,
        "start_utc": BEGIN + timedelta(minutes=5 * number), "clock_source": "gps", "model_id": "m",
        "model_version": "1", "model_sha256": "aa", "config_hash": "c", "app_version": "0",
    }  # fmt: skip
    scores = {"p_peak": 0.6, "p_mean": 0.5, "level_dbfs": -10.0 - number * 7 % 12}
    call = {"label": species[:4], "scientific_name": species, "onset_sample": 0, "offset_sample": 900, **scores}
    connection.execute(insert(events).values(**row, **call, end_utc=row["start_utc"]))
    heard = {**row, "id": UUID(int=100 + number), "seq": 100 + number}
    connection.execute(insert(effort).values(**heard, state="analysed", first_sample=0, samples=60_000))


@pytest.fixture(scope="module")
def station(engine: Engine, database: Path, launch: Callable[[Path], Any]) -> Any:
    settings = {
        "database": f"sqlite:///{database}",
        "mqtt": {"port": free_port()},
        "web": {"port": 0},
        "sites": {"lake-shore": {"title": "Lake shore", "zone": ZONE, "latitude_deg": 35.1, "longitude_deg": -78.2}},
        "alerts": {"rules": {"fault": {"when": "device_health", "any_problem": True}}},
    }
    path = database.with_name("base.yaml")
    path.write_text(yaml.safe_dump(settings))
    return launch(path)


@dataclass
class Person:
    """A person at the page Now, who clicks."""

    page: Page
    clicks: int = 0

    def click(self, selector: str) -> None:
        """Click on an element that the page shows now or soon."""
        found = self._wait_for(selector)
        assert self.page.evaluate(f"{found}.checkVisibility()"), f"{selector} is hidden"
        follows_link = f"{found}.matches('a[href]:not([href^=\"#\"], [download])')"
        sends_form = "addEventListener('submit', (event) => { window.wasLeft ||= !event.defaultPrevented; })"
        self.page.evaluate(f"window.wasLeft = {follows_link}; {sends_form}; {found}.click()")
        self.clicks += 1

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a list: a click."""
        found = self._wait_for(selector)
        self.page.evaluate(
            f"{found}.value = {json.dumps(value)}; {found}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )
        self.clicks += 1

    def write(self, selector: str, text: str) -> None:
        """Write into a field."""
        found = self._wait_for(selector)
        self.page.evaluate(f"{found}.value = {json.dumps(text)}")

    def _wait_for(self, selector: str) -> str:
        """Wait until the page has an element and its scripts run. Return the expression of the element."""
        found = f"document.querySelector({json.dumps(selector)})"
        ready = "document.readyState === 'complete' && !window.wasLeft"  # `wasLeft`: it is still the page before
        eventually(lambda: self.page.evaluate(f"{ready} && {found} !== null"))
        return found

    def sees(self, text: str, selector: str = "main") -> None:
        """Wait until the page shows a text."""
        eventually(lambda: text in self.page.text_of(selector))


@pytest.fixture
def person(station: Any, open_page: Callable[[str], Page]) -> Iterator[Person]:
    page = open_page("about:blank")
    page.show(station.url)
    person = Person(page)
    yield person
    assert person.clicks <= MAX_CLICKS
    assert page.complaints == []


def nav(path: str) -> str:
    return f'nav a[href="/{path}"]'


def verdicts(engine: Engine) -> dict[int, str]:
    with engine.connect() as connection:
        query = select(reviews.c.event_id, reviews.c.verdict).order_by(reviews.c.number)
        return {event.int: verdict for event, verdict in connection.execute(query)}


def test_which_recorders_need_a_visit(person: Person) -> None:
    person.click(nav("network"))
    person.sees("recorder-2", ".compact tbody tr:first-child")
    person.sees("battery is at 3%", ".compact tbody tr:first-child")


def test_confirm_the_loudest_call_of_a_species_last_night(person: Person, engine: Engine) -> None:
    person.click(f'#live-night a[href*="{GRATIOSA.replace(" ", "%20")}"]')
    person.click(".calls tbody tr:first-child .lead a")
    person.click("button[value=confirmed]")
    with engine.connect() as connection:
        of_species = select(events.c.id).where(events.c.scientific_name == GRATIOSA)
        loudest = connection.scalar(of_species.order_by(events.c.level_dbfs.desc()).limit(1))
    assert loudest
    eventually(lambda: verdicts(engine).get(loudest.int) == "confirmed")
    person.sees("confirmed by local")


def test_reject_all_calls_of_a_species_last_night(person: Person, engine: Engine) -> None:
    person.click('#live-night a[href*="Anaxyrus%20fowleri"]')
    person.click("#all-calls")
    person.click(".bulk button[value=rejected]")
    eventually(lambda: {number for number, each in verdicts(engine).items() if each == "rejected"} == {13, 14, 15})


def test_what_called_at_a_site_last_night(person: Person) -> None:
    person.click('#live-rows a[href="/network/lake-shore"]')
    person.click(f'.nights a[href$="evening={EVENING}"]')
    person.sees(GRATIOSA, ".time")


def test_acknowledge_an_alert(person: Person, engine: Engine) -> None:
    def acknowledged() -> list[str]:
        with engine.connect() as connection:
            query = select(firings.c.acknowledged_by).where(firings.c.acknowledged_utc.is_not(None))
            return [*connection.scalars(query)]

    eventually(lambda: "1 active alert" in person.page.text_of(".station"))
    person.click('.station a[href="/alerts?state=active"]')
    person.click('form[action$="/acknowledge"] button')
    eventually(lambda: acknowledged() == ["local"])


def test_export_the_calls_that_are_shown(person: Person, station: Any) -> None:
    person.click(nav("calls"))
    person.choose("select[name=site]", "pond")
    eventually(lambda: "site=pond" in (person.page.evaluate("location.search") or ""))
    person.click(".exports a")
    link = person.page.evaluate("document.querySelector('.exports a').getAttribute('href')")
    exported = station.get(link.removeprefix("/")).splitlines()
    assert len(exported) - 1 == len([number for number in range(12) if number % 3 == 0])


def test_alert_when_a_device_is_silent_for_two_days(person: Person, engine: Engine) -> None:
    person.click(nav("settings"))
    person.choose("#rules select[name=when]", "device_silent")
    person.click('#rules form[action="/settings/rule"] button')
    person.write("input[name=name]", "silent")
    person.write("input[name=after_h]", "48")
    person.click("main form button")

    def rules() -> dict[str, Any]:
        with engine.connect() as connection:
            return stored_rules(connection)

    eventually(lambda: rules().get("silent") is not None)


def test_invite_a_colleague(person: Person, engine: Engine) -> None:
    person.click(nav("users"))
    person.write("input[name=name]", "maria")
    person.click('form[action="/users/add"] button')
    person.sees("A link for maria")
    with engine.connect() as connection:
        assert [*connection.scalars(select(invitations.c.user_name))] == ["maria"]


def test_note_that_a_battery_was_changed(person: Person, engine: Engine) -> None:
    person.click(nav("network"))
    person.click('.compact a[href="/network/pond/recorder-2"]')
    person.write("input[name=text]", "New battery")
    person.click('form[action$="/note"] button')
    person.sees("New battery")
    with engine.connect() as connection:
        assert [*connection.scalars(select(device_notes.c.text))] == ["New battery"]


def test_move_a_recorder_since_a_day(person: Person, engine: Engine) -> None:
    person.click(nav("network"))
    person.click('.compact a[href="/network/pond/recorder-7"]')
    person.write("input[name=to]", "lake-shore")
    person.write("input[name=since]", (NOW - timedelta(days=3)).strftime("%Y-%m-%dT12:00"))
    person.click('form[action$="/move"] button')
    person.sees("Lake shore", "h2")

    def sites() -> set[str]:
        with engine.connect() as connection:
            return {*connection.scalars(select(events.c.site).where(events.c.device == "recorder-7"))}

    eventually(lambda: sites() == {"lake-shore"})
