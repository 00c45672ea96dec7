"""Opinions of several people about the same calls."""

import random
from collections.abc import Iterator
from uuid import UUID

import pandas as pd
import pytest
from device_rows import event
from sqlalchemy import Connection, insert, select

from anura_base.analysis import opinions, reviews
from anura_base.analysis.precision import MIN_REVIEWED, TARGET, suggest
from anura_base.analysis.verdicts import IS_CURRENT
from anura_base.analysis.verdicts import reviews as table
from anura_base.db.engine import open_database
from anura_base.db.schema import events
from anura_edge.events import Verdict

SPECIES = "Physalaemus cuvieri"
PEOPLE = ("ana", "bea", "caio", "dora")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = open_database(database_url)
    with engine.begin() as connection:
        for number in range(1, 41):
            row = event(number, id=UUID(int=number)).model_dump()
            where = {"site": "pond", "device": "d", "journal": UUID(int=1), "received_utc": row["start_utc"]}
            connection.execute(insert(events).values({**row, **where}))
        yield connection
    engine.dispose()


def test_verdict_and_dispute_equal_an_independent_computation(connection: Connection) -> None:
    rng, log = random.Random(3), []
    for _ in range(200):
        call, who = rng.randint(1, 30), rng.choice(PEOPLE)
        verdict = rng.choice([Verdict.CONFIRMED, Verdict.REJECTED, Verdict.RELABELLED, Verdict.UNDONE])
        label = rng.choice(["BOAFAB", "LEPFUS"]) if verdict is Verdict.RELABELLED else ""
        reviews.add_review(connection, UUID(int=call), who, verdict, label)
        log.append((call, who, verdict.value, label))
    frame = pd.DataFrame(log, columns=["call", "who", "verdict", "label"])
    last = frame.reset_index().groupby(["call", "who"]).last().reset_index()
    held = last[last["verdict"] != "undone"].assign(text=lambda f: f["verdict"] + ":" + f["label"])
    verdicts = held.sort_values("index").groupby("call")["text"].last()
    found = connection.execute(select(table.c.event_id, table.c.verdict + ":" + table.c.label).where(IS_CURRENT))
    assert {each.int: text for each, text in found} == verdicts.to_dict()
    same = held[held["text"] == held["call"].map(verdicts)].groupby("call").size()
    total = held.groupby("call").size()
    disputed = {call for call in total.index if 2 * same[call] <= total[call]}
    assert {each.int for each in connection.scalars(opinions.DISPUTED_EVENTS)} == disputed
    several = held.groupby("call")["text"].agg(["size", "nunique"]).query("size > 1")
    agreement = opinions.agreement(connection, SPECIES)
    assert (agreement.calls, agreement.agreed) == (len(several), (several["nunique"] == 1).sum())
    shown = opinions.next_for_second_opinion(connection, SPECIES, "", "ana")
    others = {*held["call"]} - {*held[held["who"] == "ana"]["call"]}
    assert shown
    assert shown.id.int == min(others, key=lambda call: (call not in disputed, call))


def test_undone_review_brings_back_the_verdict_of_the_person_before(connection: Connection) -> None:
    call = UUID(int=1)
    for who, verdict in (("ana", Verdict.CONFIRMED), ("bea", Verdict.REJECTED), ("bea", Verdict.UNDONE)):
        reviews.add_review(connection, call, who, verdict)
    found = reviews.find_event(connection, call)
    assert found
    assert (found.verdict, found.reviewer) == ("confirmed", "ana")


def test_suggested_threshold_is_the_lowest_with_the_target(connection: Connection) -> None:
    rng = random.Random(5)
    scores = [rng.randint(0, 60) / 60 for _ in range(300)]
    judged = [(score, rng.random() < 0.4 + 0.62 * score) for score in scores]
    frame = pd.DataFrame(judged, columns=["score", "right"])
    good = [
        score
        for score in frame["score"].unique()
        if (above := frame[frame["score"] >= score]).shape[0] >= MIN_REVIEWED and above["right"].mean() >= TARGET
    ]
    found = suggest(judged)
    assert (found.threshold if found else None) == (min(good) if good else None)
    assert good
    assert suggest([(0.9, False)] * 50) is None
