"""Every number obeys the verdicts: rejected calls do not count, relabelled calls count under their new name."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from device_rows import START, event
from sqlalchemy import Engine, func, insert, select, text

from anura_base.alerts.evaluator import _last_calls
from anura_base.analysis import heatmaps, rollup
from anura_base.analysis.known_nights import list_species
from anura_base.analysis.network_status import device_statuses
from anura_base.analysis.night_timeline import read_timeline
from anura_base.analysis.reviews import add_review
from anura_base.analysis.rollup_tables import call_slots, stale_days
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.db.schema import devices, events
from anura_base.web.recent_activity import read_recent_activity
from anura_edge.events import Verdict
from anura_edge.nights import night

CUVIERI, FABER = "Physalaemus cuvieri", "Boana faber"
SITES = {"pond": Site(zone="America/Sao_Paulo")}
EVENING = date(2026, 11, 20)


def put(engine: Engine, start: datetime = START, **changes: object) -> UUID:
    row = event(1, start_utc=start, end_utc=start + timedelta(seconds=2), **changes).model_dump()
    with engine.begin() as connection:
        where = {"site": "pond", "device": "one", "journal": uuid4(), "received_utc": start}
        connection.execute(insert(events).values({**row, **where}))
    return UUID(str(row["id"]))


def judge(engine: Engine, call: UUID, verdict: Verdict, label: str = "") -> None:
    with engine.begin() as connection:
        add_review(connection, call, "ana", verdict, label)


@pytest.fixture
def judged(engine: Engine) -> Engine:
    """Four calls of one species: without a verdict, confirmed, rejected, relabelled. One of another species."""
    install_triggers(engine)
    put(engine)
    put(engine, label="BOAFAB", scientific_name=FABER)
    confirmed, rejected, relabelled = (put(engine) for _ in range(3))
    rollup.refresh(engine)  # so that the sums are there before the verdicts
    judge(engine, confirmed, Verdict.CONFIRMED)
    judge(engine, rejected, Verdict.REJECTED)
    judge(engine, relabelled, Verdict.RELABELLED, "BOAFAB")
    return engine


def calls_by_night(engine: Engine, *, confirmed: bool = False) -> dict[str, int]:
    rollup.refresh(engine)
    with engine.connect() as connection:
        grid = heatmaps.species_by_night(connection, SITES, EVENING, EVENING, confirmed=confirmed)
    return {name: cells[EVENING.toordinal()].calls for name, cells in grid.rows.items()}


def test_sums_follow_verdicts_that_come_later(judged: Engine) -> None:
    assert calls_by_night(judged) == {CUVIERI: 2, FABER: 2}
    assert calls_by_night(judged, confirmed=True) == {CUVIERI: 1, FABER: 1}


def test_night_obeys_verdicts(judged: Engine) -> None:
    with judged.connect() as connection:
        period = night(SITES["pond"], EVENING)
        found = {
            confirmed: {
                each.name: each.calls for each in read_timeline(connection, "pond", period, confirmed=confirmed).species
            }
            for confirmed in (False, True)
        }
    assert found == {False: {CUVIERI: 2, FABER: 2}, True: {CUVIERI: 1, FABER: 1}}


def test_last_review_is_the_verdict_and_undone_is_none(judged: Engine) -> None:
    call = put(judged, label="X", scientific_name="")
    for verdict, expected in (
        (Verdict.REJECTED, 0),
        (Verdict.CONFIRMED, 1),
        (Verdict.REJECTED, 0),
        (Verdict.UNDONE, 1),
    ):
        judge(judged, call, verdict)
        assert calls_by_night(judged).get("X", 0) == expected


def test_species_whose_calls_were_all_rejected_stays_in_the_review(engine: Engine) -> None:
    install_triggers(engine)
    judge(engine, put(engine), Verdict.REJECTED)
    assert calls_by_night(engine) == {}
    with engine.connect() as connection:
        assert list_species(connection) == []
        assert list_species(connection, rejected=True) == [CUVIERI]


def test_relabelled_call_has_the_label_until_a_model_names_it(engine: Engine) -> None:
    install_triggers(engine)
    judge(engine, put(engine), Verdict.RELABELLED, "NEW")
    assert calls_by_night(engine) == {"NEW": 1}


def test_pages_of_now_and_network_obey_verdicts(engine: Engine) -> None:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        connection.execute(insert(devices).values(site="pond", device="one"))
    calls = [put(engine, now - timedelta(minutes=5)) for _ in range(3)]
    judge(engine, calls[0], Verdict.REJECTED)
    judge(engine, calls[1], Verdict.RELABELLED, "BOAFAB")
    with engine.connect() as connection:
        activity = read_recent_activity(connection, SITES)
        (status,) = device_statuses(connection, SITES)
        last = _last_calls(connection, [("pond", CUVIERI)], 1_000)
    assert (activity.calls, activity.species, status.calls) == (2, 2, 2)
    assert len(last) == 1
    judge(engine, calls[2], Verdict.REJECTED)
    with engine.connect() as connection:
        assert _last_calls(connection, [("pond", CUVIERI)], 1_000) == {}, "no frog of the species called there"


def test_reviews_from_before_the_triggers_are_summed_under_their_name(engine: Engine) -> None:
    install_triggers(engine)
    put(engine, label="BOAFAB", scientific_name=FABER)
    judge(engine, put(engine), Verdict.RELABELLED, "BOAFAB")
    rollup.refresh(engine)
    with engine.begin() as connection:  # as an earlier version left it
        on = " ON reviews" if engine.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER reviews_changed_insert{on}"))
        connection.execute(text("UPDATE reviews SET scientific_name = ''"))
        connection.execute(call_slots.update().values(confirmed=0))
    install_triggers(engine)
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(stale_days)) == 1
    assert calls_by_night(engine) == {FABER: 2}
    assert calls_by_night(engine, confirmed=True) == {FABER: 1}
