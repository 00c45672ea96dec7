"""Every page in a real browser, with a simulated season in the database."""

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import axe
import pytest
import yaml
from axe import RULES_OF_COLOUR, serious_faults
from sqlalchemy import Engine, func, insert, select, update
from support import eventually, free_port

from anura_base.analysis import rollup
from anura_base.analysis.rollup_tables import call_slots, stale_days
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.verdicts import reviews
from anura_base.config.settings import Site
from anura_base.db.engine import open_database
from anura_base.db.schema import devices, effort, events, health
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_base.simulate.demo import CALENDAR_DATE, last_complete_night
from anura_base.simulate.fleet import SITES
from anura_base.simulate.messages import season_messages
from anura_edge.wire import Health, topic

PAGES = [
    "", "network", "species", "species?view=sunset", "species?view=clock", "night", "anomalies", "review", "alerts",
    "users", "explore", "clocks",
    "audit", "refused", "calls", "network?group=true&show=with+problems", "network/beaver-pond", "network/evil/box",
    "charts", "charts?chart=clock", "charts?chart=limits", "charts?chart=sites", "charts?chart=years",
    "map", "map?zoom=4", "review/thresholds?species=Acris+crepitans", "review/progress",
]  # fmt: skip

NIGHTS = 9
"""Enough for anomalies of the rate, which need seven earlier nights."""

HOSTILE = "<img src=x onerror=document.title='taken'>"
"""As long as the shortest text field allows."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("season") / "base.db"


@pytest.fixture(scope="module")
def engine(database: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{database}")
    install_triggers(engine)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for message in season_messages(7, NIGHTS, 1, last_complete_night(datetime.now(UTC)), CALENDAR_DATE):
            name = topic(message.device.site, message.device.name, message.kind)
            ingest(connection, [RawMessage(name, message.payload, False, now)])
    _add_hostile(engine)
    rollup.refresh(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def station(engine: Engine, database: Path, launch: Callable[[Path], Any]) -> Any:
    sites = {**SITES, "evil": Site(title=HOSTILE, latitude_deg=-22.42, longitude_deg=-47.57)}
    settings = {
        "database": f"sqlite:///{database}",
        "mqtt": {"port": free_port()},
        "web": {"port": 0},
        "sites": {name: site.model_dump(exclude_none=True) for name, site in sites.items()},
    }
    path = database.with_name("base.yaml")
    path.write_text(yaml.safe_dump(settings))
    return launch(path)


def _add_hostile(engine: Engine) -> None:
    """Store rows of a device that writes markup into every text field."""
    start = datetime.now(UTC) - timedelta(hours=1)
    texts = dict.fromkeys(
        ("recording", "recording_name", "model_id", "model_version", "model_sha256", "config_hash", "app_version"),
        HOSTILE,
    )
    row = {
        **texts, "site": "evil", "device": "box", "journal": uuid4(), "received_utc": start, "seq": 1, "rate_hz": 1_000,
        "start_utc": start, "clock_source": "recorder",
    }  # fmt: skip
    call = {
        "id": uuid4(), "label": HOSTILE, "scientific_name": HOSTILE, "end_utc": start, "onset_sample": 0,
        "offset_sample": 9, "p_peak": 0.5, "p_mean": 0.5, "level_dbfs": -1,
        "is_reliable": False,
    }  # fmt: skip
    health_message = Health(
        utc=start, every_s=60, uptime_s=1, running_s=1, overruns=0, analysed_s=1, dropped_s=0, gaps=0, pending=0,
        app_version=HOSTILE, model_sha256=HOSTILE, config_hash=HOSTILE, problems=(HOSTILE,),
        battery_percent=41.6, on_battery=True,
    )  # fmt: skip
    device = {
        "last_seen_utc": start,
        **dict.fromkeys(("state", "zone", "app_version", "model_id", "model_sha256"), HOSTILE),
    }
    key = {"site": "evil", "device": "box"}
    with engine.begin() as connection:
        connection.execute(insert(events).values({**row, **call}))
        effort_row = {"id": uuid4(), "state": "analysed", "first_sample": 0, "samples": 600_000}
        connection.execute(insert(effort).values({**row, **effort_row, "start_utc": start - timedelta(minutes=1)}))
        connection.execute(insert(devices).values({**key, **device, "last_seen_utc": start}))
        connection.execute(
            insert(health).values({**key, "received_utc": start, "message": health_message.to_bytes().decode()})
        )


def test_every_page_obeys_the_policy_fits_a_phone_and_is_accessible(station, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    faults = []
    for path in PAGES:
        page.show(station.url + path)
        assert page.evaluate("document.title").startswith("anura: ")
        assert page.evaluate("document.querySelector('img[src=x]')") is None
        assert page.count("[style], style, script:not([src])") == 0
        assert page.count("nav a[aria-current]") == 1
        for width in (1280, 360):
            assert page.fits(width), path
            faults += [f"{path} {width}: {fault}" for fault in serious_faults(page)]
            page.use_scheme("dark")
            faults += [f"{path} {width} dark: {fault}" for fault in serious_faults(page, *RULES_OF_COLOUR)]
            page.use_scheme("light")
    assert faults == []
    assert page.complaints == []


def test_markup_of_a_device_is_shown_as_text(station) -> None:  # noqa: ANN001
    escaped = "&lt;img src=x onerror="
    for path in (
        "",
        "network",
        "species",
        "night?site=evil",
        "review?species=" + HOSTILE.replace(" ", "%20"),
    ):
        answer = station.get(path)
        assert "<img src=x" not in answer
        assert escaped in answer, path


def test_unreliable_call_is_marked(station) -> None:  # noqa: ANN001
    mark = "The precision of this label could not be measured."
    assert station.get("").count(mark) == 1
    assert station.get("review?species=" + HOSTILE.replace(" ", "%20")).count(mark) == 1
    assert mark not in station.get("review?species=Hyla%20cinerea")


def test_species_heatmap_changes_with_the_filters(station, engine, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "species")
    rows = "document.querySelectorAll('.heat tbody tr').length"
    with engine.connect() as connection:
        species = connection.scalar(select(func.count(call_slots.c.species.distinct())))
    assert page.evaluate(rows) == species
    first = "document.querySelector('.heat tbody tr td')"
    assert page.evaluate(f"{first}.className") == "none", "nothing was analysed before the season"
    assert "not analysed" in page.evaluate(f"{first}.title")
    page.evaluate("document.querySelector('input[value=sunset]').click()")
    eventually(lambda: "hours since sunset" in page.evaluate("document.querySelector('#result h2').textContent"))
    assert "view=sunset" in page.evaluate("location.search")
    assert page.count(".lines polyline") > 0
    page.evaluate("document.querySelector('input[value=night]').click()")
    eventually(lambda: page.evaluate("document.querySelector('.heat .month') !== null"))
    page.evaluate(
        "var choice = document.querySelector('select[name=species]'); choice.value = 'Hyla cinerea';"
        "choice.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    eventually(lambda: page.evaluate(rows) == len(SITES) + 1)
    assert page.complaints == []


def test_species_table_has_na_without_analysed_audio(station) -> None:  # noqa: ANN001
    head, *rows = (line.split(",") for line in station.get("species.csv?site=beaver-pond").splitlines())
    assert head == ["species", "night", "calls", "hours_analysed", "calls_per_hour"]
    assert {row[4] for row in rows if row[3] == "0.0000"} == {"NA"}
    for _, _, calls, hours, rate in rows:
        assert rate == "NA" or abs(int(calls) / float(hours) - float(rate)) < 0.01 * float(rate) + 1e-3


def test_night_shows_calls_effort_and_sun(station, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "night?site=beaver-pond")
    assert "Beaver pond" in page.text_of("h2")
    assert "sunset" in page.text_of("h2")
    for part in (".call", ".effort.analysed", ".unsampled", ".sun", ".i1"):
        assert page.count(f".time {part}") > 0, part
    before = page.text_of("h2")
    page.evaluate("document.querySelector('a[rel=prev]').click()")
    eventually(lambda: page.text_of("h2") not in {"", before})
    assert page.complaints == []


def test_night_without_audio_is_reported(station) -> None:  # noqa: ANN001
    assert "No audio was analysed in this night" in station.get("night?site=beaver-pond&evening=2020-01-01")


@pytest.mark.parametrize(
    "path", ["night?site=nowhere", "night?evening=tomorrow", "species?view=moon", "species?first=0", "review?event=7"]
)
def test_invalid_address_is_refused(station, path: str) -> None:  # noqa: ANN001
    assert station.status(path) in {404, 422}


@pytest.mark.parametrize(
    "path",
    [
        "night?site=beaver-pond&evening=0001-01-01",
        "night?site=beaver-pond&evening=9999-12-31",
        "species?first=0001-01-01&last=9999-12-31",
        "anomalies?evening=0001-01-01",
    ],
)
def test_end_of_the_calendar_is_no_server_error(station, path: str) -> None:  # noqa: ANN001
    assert station.status(path) in {200, 422}


def test_network_shows_each_device_in_a_line(station, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "network")
    visible = page.text_of()
    for text in ("offline", "24.0 GB"):
        assert text in visible
    assert "the battery is at 3%" in page.evaluate("document.querySelector('.compact').textContent")
    assert (
        page.evaluate("Math.max(...[...document.querySelectorAll('.compact tbody tr')].map(r => r.offsetHeight))") < 50
    )
    page.evaluate("document.querySelector('.compact a').click()")
    eventually(lambda: "Notes and maintenance" in page.text_of())
    assert page.complaints == []


def test_map_shows_each_site_and_a_mark_of_several_shows_them_larger(station, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "map")
    assert page.count("#map .notes a") == len(SITES) + 1
    several = "document.querySelector('.place .count')"
    assert page.evaluate(f"{several} !== null"), "the sites of the season are far from the one of the hostile device"
    page.evaluate(f"{several}.closest('a').dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))")
    loaded = "document.readyState === 'complete' && location.search"
    eventually(lambda: "zoom=2" in (page.evaluate(loaded) or ""))
    page.evaluate("document.querySelector('[aria-label=\"Zoom out\"]').click()")
    eventually(lambda: "zoom=1" in (page.evaluate(loaded) or ""))
    assert page.complaints == []


def test_open_details_and_focus_survive_an_update(station, engine: Engine, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "network")
    page.evaluate("var box = document.querySelector('#device-evil-box details'); box.open = true;"
                  "box.querySelector('summary').focus(); box.mark = 1")  # fmt: skip
    with engine.begin() as connection:
        connection.execute(update(devices).where(devices.c.site == "evil").values(retired_utc=None, state="offline"))
    page.evaluate(
        "htmx.ajax('GET', location.href,"
        " {source: '#devices', target: '#devices', select: '#devices', swap: 'outerMorph'})"
    )
    eventually(lambda: "the device is offline" in page.text_of("#device-evil-box"))
    assert page.evaluate("document.querySelector('#device-evil-box details').open")
    assert page.evaluate("document.activeElement.parentElement.mark") == 1
    assert page.complaints == []


def test_keys_confirm_reject_relabel_and_undo(station, engine: Engine, open_page) -> None:  # noqa: ANN001
    page = open_page("about:blank")
    page.show(station.url + "review?species=Hyla+cinerea&order=random")

    def press(key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r" if key == "Enter" else key} if kind == "keyDown" else {}
            page.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def stored_reviews() -> list[tuple[str, str, str]]:
        with engine.connect() as connection:
            query = select(reviews.c.verdict, reviews.c.label, reviews.c.reviewer).order_by(reviews.c.number)
            return [tuple(row) for row in connection.execute(query)]

    def form_address() -> str:
        """Return the address of the form, or "" while the page is loading."""
        form = "document.querySelector('form.verdict')?.getAttribute('action')"
        return page.evaluate(f"document.readyState === 'complete' ? {form} : ''") or ""

    first = form_address()
    press("c", 67)
    eventually(lambda: stored_reviews() == [("confirmed", "", "local")])
    second = eventually(lambda: address if (address := form_address()) != first else None)
    press("r", 82)
    eventually(lambda: len(stored_reviews()) == 2)
    third = eventually(lambda: address if (address := form_address()) not in {first, second} else None)
    press("l", 76)
    eventually(lambda: page.evaluate("document.activeElement.name") == "label")
    for key in "PHYCUV":
        press(key, ord(key))
    press("Enter", 13)
    eventually(lambda: stored_reviews()[2:] == [("relabelled", "PHYCUV", "local")])
    eventually(lambda: form_address() not in {third, ""})
    press("u", 85)
    eventually(lambda: stored_reviews()[3:] == [("undone", "", "local")])
    eventually(lambda: form_address().partition("?")[0] == third.partition("?")[0])
    assert "1 50 %" in page.text_of(".precision tbody tr")
    assert page.complaints == []

    with zipfile.ZipFile(BytesIO(urlopen(station.url + "api/exports/training").read())) as archive:
        labels = archive.read("recordings/labels.csv").decode().splitlines()
        all_reviews = archive.read("reviews.csv").decode().splitlines()
    assert (len(labels), len(all_reviews)) == (2, 3), "one call is accepted, and two have a current review"


def test_rollup_follows_changed_rows(station, engine: Engine) -> None:  # noqa: ANN001
    with engine.begin() as connection:
        connection.execute(update(events).where(events.c.label == "LITCLA").values(scientific_name="Newly named"))

    def is_fresh() -> bool:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(stale_days)) == 0

    eventually(is_fresh)
    assert "Newly named" in station.get("species")


@pytest.mark.parametrize(
    "folder", [Path(str(files("anura_base.web") / "static" / "vendor")), Path(axe.__file__).with_name("vendor")]
)
def test_vendored_files_have_the_listed_hashes(folder: Path) -> None:
    listed = dict(re.findall(r"^sha256 ([0-9a-f]{64})  (\S+)$", (folder / "VENDORED.txt").read_text(), re.MULTILINE))
    assert {name: digest for digest, name in listed.items()} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")
    }
