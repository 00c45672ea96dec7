"""The pages Calls and Call, and the same filters in the API and in exports."""

import io
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pandas as pd
import pytest
from cheap_passwords import HASH, use_cheap_hashes
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from anura_base.access.roles import Role
from anura_base.access.tables import audit_log, users
from anura_base.analysis import reviews, rollup
from anura_base.analysis.latest_night import calls_of_night
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.clips.tables import clips
from anura_base.config.settings import Site
from anura_base.db.engine import open_database
from anura_base.db.schema import events
from anura_base.exchange import call_search
from anura_base.web.app import create_app
from anura_base.web.auth.visitor import csrf_token
from anura_base.web.live_feed import NOTHING, LivePieces, difference
from anura_base.web.recent_activity import read_recent_activity
from anura_edge.events import Verdict

SITES = {
    "marsh": Site(title="The marsh", zone="America/New_York", latitude_deg=42.2, longitude_deg=-76.8),
    "pond": Site(zone="America/Sao_Paulo"),
    "tundra": Site(zone="Arctic/Longyearbyen", latitude_deg=78.2, longitude_deg=15.6),
}
"""In New York summer time ends on 1 November 2026, and on Svalbard the sun does not rise after 26 October."""

BEGIN = datetime(2026, 10, 29, 3, tzinfo=UTC)
NAMES = {"CUVIER": "Physalaemus cuvieri", "FABER": "Boana faber", "NONAME": ""}


def rows() -> list[dict[str, Any]]:
    """Return calls every 67 minutes at three sites, for eight days."""
    made = []
    for number in range(170):
        label = list(NAMES)[number % 3]
        start = BEGIN + timedelta(minutes=67 * number)
        made.append(
            {
                "id": UUID(int=number + 1), "site": list(SITES)[number // 3 % 3], "device": f"d{number % 2}",
                "journal": UUID(int=1), "received_utc": start, "seq": number + 1, "recording": f"b2:{number}",
                "recording_name": "REC.wav", "rate_hz": 1_000, "start_utc": start, "end_utc": start,
                "clock_source": "unknown" if number % 40 == 39 else "gps", "label": label,
                "scientific_name": NAMES[label], "onset_sample": 0, "offset_sample": 1_500,
                "p_peak": 0.3 + number * 37 % 70 / 100, "p_mean": 0.3, "level_dbfs": -10.0 - number * 13 % 50,
                "model_id": "m", "model_version": "1", "model_sha256": "aa", "config_hash": "c", "app_version": "0",
            }
        )  # fmt: skip
    return made


VERDICTS = [Verdict.CONFIRMED, Verdict.REJECTED, Verdict.RELABELLED]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the calls, some verdicts and clips."""
    file = tmp_path_factory.mktemp("calls") / "base.db"
    engine = open_database(f"sqlite:///{file}")
    install_triggers(engine)
    calls = rows()
    with engine.begin() as connection:
        connection.execute(insert(events), calls)
    rollup.refresh(engine)  # a review takes the name of a label from there
    with engine.begin() as connection:
        for number in range(0, 60, 4):
            verdict = VERDICTS[number // 4 % 3]
            reviews.add_review(connection, UUID(int=number + 1), "ana", verdict, "FABER" if number % 8 else "NEWONE")
        reviews.add_review(connection, UUID(int=1), "bea", Verdict.REJECTED)
        clip = {"state": "here", "asked_by": "", "changed_utc": BEGIN, "detail": "", "came": 0, "rate_hz": 8_000}
        for number in range(0, 170, 7):
            where = {"site": calls[number]["site"], "device": calls[number]["device"]}
            clip |= {"samples": 24_000, "first_sample": 0}
            connection.execute(insert(clips).values(event_id=UUID(int=number + 1), **where, **clip))
    rollup.refresh(engine)
    engine.dispose()
    return file


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Return what the database has, computed without the base station."""
    frame = pd.DataFrame(rows())
    frame["verdict"] = ""
    frame["counts_as"] = frame["scientific_name"].where(frame["scientific_name"] != "", frame["label"])
    for number in range(0, 60, 4):
        verdict = VERDICTS[number // 4 % 3]
        frame.loc[number, "verdict"] = verdict.value
        if verdict is Verdict.RELABELLED:
            frame.loc[number, "counts_as"] = "Boana faber" if number % 8 else "NEWONE"
    frame.loc[0, "verdict"] = "rejected"
    frame["clip"] = frame.index % 7 == 0
    zones = frame["site"].map({name: site.zone for name, site in SITES.items()})
    frame["night"] = [
        (moment.tz_convert(zone).tz_localize(None) - pd.Timedelta(hours=12)).date()
        for moment, zone in zip(pd.to_datetime(frame["start_utc"], utc=True), zones, strict=True)
    ]
    return frame


def client_of(file: Path) -> TestClient:
    engine = open_database(f"sqlite:///{file}")
    working = SimpleNamespace(commits=0, healthy=True, connected=True)
    app = create_app(engine, working, working, threading.Event(), sites=SITES)
    app.add_api_route("/token", csrf_token, response_model=str)
    client = TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    client.engine = engine  # type: ignore[attr-defined]
    return client


@pytest.fixture(scope="module")
def client(filled: Path) -> Iterator[TestClient]:
    """A client for tests that only read."""
    client = client_of(filled)
    yield client
    client.engine.dispose()  # type: ignore[attr-defined]


@pytest.fixture
def own_client(filled: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client with a database of its own."""
    client = client_of(Path(shutil.copy(filled, tmp_path)))
    client.headers["X-CSRF-Token"] = client.get("/token").json()
    yield client
    client.engine.dispose()  # type: ignore[attr-defined]


def day(text: str) -> Any:
    return datetime.fromisoformat(text).date()


KNOWN = "(f['clock_source'] != 'unknown')"
CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "f['verdict'] == f['verdict']"),
    ({"site": "marsh"}, "f['site'] == 'marsh'"),
    ({"site": ["marsh", "tundra"], "device": "d1"}, "(f['site'] != 'pond') & (f['device'] == 'd1')"),
    ({"species": "Boana faber"}, "f['counts_as'] == 'Boana faber'"),
    ({"species": "NONAME"}, "f['counts_as'] == 'NONAME'"),
    ({"species": "NEWONE", "verdict": "relabelled"}, "f['counts_as'] == 'NEWONE'"),
    ({"min_score": 0.5, "max_score": 0.8}, "(f['p_peak'] >= 0.5) & (f['p_peak'] <= 0.8)"),
    ({"clip": "true"}, "f['clip']"),
    ({"clip": "false", "site": "pond"}, "~f['clip'] & (f['site'] == 'pond')"),
    ({"verdict": "counted"}, "f['verdict'] != 'rejected'"),
    ({"verdict": "unreviewed"}, "f['verdict'] == ''"),
    ({"verdict": "confirmed"}, "f['verdict'].isin(['confirmed', 'relabelled'])"),
    ({"verdict": "rejected"}, "f['verdict'] == 'rejected'"),
    ({"verdict": "disputed"}, "f.index == 0"),
    ({"first": "2026-10-31", "last": "2026-11-01"},
     f"{KNOWN} & (f['night'] >= day('2026-10-31')) & (f['night'] <= day('2026-11-01'))"),
    ({"first": "2026-11-01", "site": "tundra"},
     f"{KNOWN} & (f['night'] >= day('2026-11-01')) & (f['site'] == 'tundra')"),
    ({"last": "2026-10-31", "species": "Boana faber", "site": "marsh"},
     f"{KNOWN} & (f['night'] <= day('2026-10-31')) & (f['counts_as'] == 'Boana faber') & (f['site'] == 'marsh')"),
    ({"since": "2026-11-01T05:30Z", "until": "2026-11-02T00:00-05:00"},
     f"{KNOWN} & (f['start_utc'] >= '2026-11-01T05:30Z') & (f['start_utc'] < '2026-11-02T05:00Z')"),
]  # fmt: skip


def expected(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    return frame[eval(condition, {"f": frame, "day": day})]


def listed(page: str) -> list[UUID]:
    return [UUID(found) for found in re.findall(r'id="call-([0-9a-f-]{36})"', page)]


@pytest.mark.parametrize("filters", [filters for filters, _ in CASES], ids=urlencode)
def test_filters_equal_an_independent_selection(
    client: TestClient, frame: pd.DataFrame, filters: dict[str, Any]
) -> None:
    wanted = expected(frame, next(condition for each, condition in CASES if each is filters))
    answer = client.get("/api/events", params={**filters, "limit": 1_000}).json()
    assert [UUID(row["id"]) for row in answer] == [*wanted["id"]]
    exported = client.get("/api/exports/darwin-core", params=filters).text
    assert len(pd.read_csv(io.StringIO(exported))) == len(wanted)
    page = client.get("/calls", params={"verdict": "any", "first": "", **filters, "order": "oldest"}).text
    assert re.search(rf"<h2>{len(wanted)} call", page), re.findall("<h2>.*", page)
    assert listed(page) == [*wanted.sort_values(["start_utc"])["id"][: call_search.PAGE_ROWS]]


@pytest.mark.parametrize(
    ("order", "key"), [("newest", "start_utc"), ("highest score", "p_peak"), ("loudest", "level_dbfs")]
)
def test_pages_have_every_call_once_in_order(client: TestClient, frame: pd.DataFrame, order: str, key: str) -> None:
    address, found = "/calls?first=&verdict=any&order=" + order, []
    for number in range(1, 5):
        found += listed(client.get(f"{address}&page={number}").text)
    assert sorted(found) == sorted(frame["id"])
    assert [*frame.set_index("id").loc[found][key]] == sorted(frame[key], reverse=True)


def test_page_without_time_shows_the_latest_nights(client: TestClient, frame: pd.DataFrame) -> None:
    known = frame[(frame["clock_source"] != "unknown") & (frame["verdict"] != "rejected")]
    last = known["night"].max()
    count = (known["night"] > last - timedelta(days=7)).sum()
    page = client.get("/calls").text
    assert f"<h2>{count} call" in page
    assert f'name="last" value="{last}"' in page
    assert f"{(frame['clock_source'] == 'unknown').sum()} calls are in no night" in page


def test_times_are_in_one_zone(client: TestClient) -> None:
    assert "Times are UTC" in client.get("/calls").text
    page = client.get("/calls?site=marsh&first=2026-10-31&last=2026-10-31&order=oldest").text
    assert "Times are America/New_York" in page
    times = re.findall(r'data-name="Start">([0-9: -]+)', page)
    assert "2026-10-31 12:00:00" <= min(times) <= max(times) < "2026-11-01 12:00:00"


def test_page_of_a_call_shows_what_is_around_it(client: TestClient, frame: pd.DataFrame) -> None:
    row = frame.iloc[100]
    page = client.get(f"/calls/{row['id']}").text
    same = frame[(frame["site"] == row["site"]) & (frame["device"] == row["device"])].sort_values("start_utc")
    place = [*same["id"]].index(row["id"])
    assert listed(page) == [*same["id"][place - 5 : place + 6]]
    assert f'rel="prev" href="/calls/{same["id"].iloc[place - 1]}"' in page
    assert f'rel="next" href="/calls/{same["id"].iloc[place + 1]}"' in page
    assert f"/night?site={row['site']}&amp;evening={row['night']}" in page
    assert client.get(f"/calls/{uuid4()}").status_code == 404


@pytest.mark.parametrize("evening", ["2026-10-31", "2026-11-03"])
def test_species_of_a_night_equal_an_independent_count(client: TestClient, frame: pd.DataFrame, evening: str) -> None:
    with client.engine.connect() as connection:  # type: ignore[attr-defined]
        found = calls_of_night(connection, SITES, day(evening))
    known = frame[(frame["clock_source"] != "unknown") & (frame["verdict"] != "rejected")]
    grouped = known[known["night"] == day(evening)].groupby("counts_as")["site"]
    expected_counts = pd.DataFrame({"calls": grouped.size(), "sites": grouped.nunique()})
    assert {each.species: (each.calls, each.sites) for each in found} == {
        name: (row["calls"], row["sites"]) for name, row in expected_counts.iterrows()
    }
    assert [each.calls for each in found] == sorted((each.calls for each in found), reverse=True)


def test_backlog_is_grouped_by_site_and_species(own_client: TestClient, frame: pd.DataFrame) -> None:
    assert "A backlog arrives" not in own_client.get("/").text, "these calls arrived long ago"
    with own_client.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(update(events).values(received_utc=datetime.now(UTC)))
        groups = read_recent_activity(connection, SITES).backlog
    expected_groups = frame.groupby(["site", "counts_as"])["p_peak"].agg(["size", "max"])
    assert {(each.site, each.species): (each.calls, each.best_score) for each in groups} == {
        key: (row["size"], row["max"]) for key, row in expected_groups.iterrows()
    }
    times = frame[frame["clock_source"] != "unknown"].groupby(["site", "counts_as"])["night"].agg(["min", "max"])
    assert {(each.site, each.species): (each.first, each.last) for each in groups} == {
        key: (row["min"], row["max"]) for key, row in times.iterrows()
    }
    assert "A backlog arrives" in client_of(Path(own_client.engine.url.database)).get("/").text  # type: ignore[attr-defined]


def test_stream_sends_only_what_differs() -> None:
    old = LivePieces({"totals": "1", "clips": "c"}, {"call-1": "a", "call-2": "b"})
    assert difference(NOTHING, old) == {
        "parts": {"totals": "1", "clips": "c"},
        "rows": [["call-1", "a"], ["call-2", "b"]],
    }
    assert difference(old, old) == {"parts": {}, "rows": None}
    new = LivePieces({"totals": "2", "clips": "c"}, {"call-3": "x", "call-1": "a"})
    assert difference(old, new) == {"parts": {"totals": "2"}, "rows": [["call-3", "x"], ["call-1", None]]}


def test_selected_calls_get_one_verdict_and_an_entry_in_the_audit_log(own_client: TestClient) -> None:
    client = own_client
    ids = [str(UUID(int=number)) for number in (101, 102, 103)]
    form = {"event": ids, "verdict": "confirmed", "back": "site=marsh"}
    answer = client.post("/calls/review", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/calls?site=marsh")
    found = client.get("/api/events?verdict=confirmed&limit=1000").json()
    assert {*ids} <= {row["id"] for row in found}
    with client.engine.connect() as connection:  # type: ignore[attr-defined]
        assert connection.execute(audit_log.select()).one().what == "confirmed 3 calls"
    assert client.post("/calls/review", data={**form, "verdict": "relabelled"}).status_code == 422
    missing = client.post("/calls/review", data={**form, "event": [ids[0], str(uuid4())], "verdict": "rejected"})
    assert missing.status_code == 404
    assert client.get(f"/calls/{ids[0]}").text.count(">rejected") == 0, "nothing is stored of a change that fails"


def test_a_call_can_be_judged_by_name_on_its_page(own_client: TestClient) -> None:
    client = own_client
    call = f"/calls/{UUID(int=120)}"
    assert client.post(call + "/review", data={"verdict": "relabelled", "label": "boana FABER"}).status_code == 303
    page = client.get(call).text
    assert "relabelled as Boana faber" in page
    assert client.post(call + "/review", data={"verdict": "relabelled", "label": "no such frog"}).status_code == 422


def test_viewer_reads_and_cannot_judge(
    own_client: TestClient, log_in: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cheap_hashes(monkeypatch)
    user = {"name": "vera", "role": Role.VIEW.value, "password_hash": HASH, "created_utc": BEGIN}
    with own_client.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(insert(users).values(user))
    token = log_in(own_client, "vera")
    assert "Confirm the selected" not in own_client.get("/calls?first=").text
    form = {"event": [str(UUID(int=1))], "verdict": "confirmed"}
    own_client.headers["X-CSRF-Token"] = token
    assert own_client.post("/calls/review", data=form).status_code == 403
    assert own_client.post(f"/calls/{UUID(int=1)}/review", data=form).status_code == 403
