"""The estimate of the precision is unbiased, in whatever order people review."""

import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from device_rows import event
from sqlalchemy import Connection, delete, insert, select

from anura_base.analysis import reviews
from anura_base.analysis.precision import Precision, estimate_precision
from anura_base.analysis.reviews import ReviewOrder
from anura_base.analysis.verdicts import reviews as table
from anura_base.db.engine import open_database
from anura_base.db.schema import events
from anura_edge.events import Verdict

SPECIES = "Physalaemus cuvieri"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = open_database(database_url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def put(connection: Connection, rng: random.Random, calls: int, site: str = "pond") -> dict[UUID, bool]:
    """Store calls whose scores grow with the chance to be right. Return whether each is right."""
    rows: list[dict[str, Any]] = []
    right = {}
    for number in range(calls):
        score = rng.betavariate(2, 1.2)
        row = event(number + 1, id=UUID(int=rng.getrandbits(128)), p_peak=score).model_dump()
        rows.append({**row, "site": site, "device": "d", "journal": UUID(int=1), "received_utc": row["start_utc"]})
        right[row["id"]] = rng.random() < score**2
    connection.execute(insert(events), rows)
    return right


def review_next(
    connection: Connection, right: dict[UUID, bool], order: ReviewOrder, site: str = "", skip: tuple[UUID, ...] = ()
) -> None:
    found = reviews.next_event(connection, SPECIES, site, order, skip)
    assert found
    verdict = Verdict.CONFIRMED if right[found.id] else Verdict.REJECTED
    drawn_from = site if order is ReviewOrder.RANDOM else None
    reviews.add_review(connection, found.id, "ana", verdict, drawn_from=drawn_from)


@pytest.mark.parametrize("others", [0, 40], ids=["random only", "mixed with other orders"])
def test_interval_covers_the_truth_in_simulated_reviews(connection: Connection, others: int) -> None:
    """Of 30 reviews of 30 random calls each, at every threshold, at least 93 % of the intervals contain the truth."""
    rng = random.Random(7)
    covered = estimates = 0
    for _ in range(30):
        connection.execute(delete(table))
        connection.execute(delete(events))
        right = put(connection, rng, 160)
        scores = dict(map(tuple, connection.execute(select(events.c.id, events.c.p_peak))))
        orders = [ReviewOrder.RANDOM] * 30 + ([ReviewOrder.HIGHEST] * 3 + [ReviewOrder.LOWEST]) * (others // 4)
        rng.shuffle(orders)
        for order in orders:
            review_next(connection, right, order)
        for row in estimate_precision(connection, SPECIES).rows:
            above = [is_right for call, is_right in right.items() if scores[call] >= row.threshold]
            low, high = row.interval
            covered += low <= sum(above) / len(above) <= high
            estimates += 1
    assert estimates > 150
    assert covered / estimates >= 0.93


def test_reviews_that_were_not_drawn_at_random_are_left_out(connection: Connection) -> None:
    right = put(connection, random.Random(1), 30)
    for order in (ReviewOrder.HIGHEST, ReviewOrder.LOWEST):
        for _ in range(5):
            review_next(connection, right, order)
    estimate = estimate_precision(connection, SPECIES)
    assert (estimate.rows, estimate.waiting, estimate.outside) == ([], 0, 10)
    for _ in range(20):
        review_next(connection, right, ReviewOrder.RANDOM)
    estimate = estimate_precision(connection, SPECIES)
    assert estimate.outside == 0, "all calls are reviewed, so the draw has passed all of them"


def test_skipped_and_undone_calls_wait_in_the_sample(connection: Connection) -> None:
    right = put(connection, random.Random(2), 10)
    first, _second, third, *_ = sorted(right)
    review_next(connection, right, ReviewOrder.RANDOM, skip=(first,))
    review_next(connection, right, ReviewOrder.RANDOM, skip=(first,))
    reviews.add_review(connection, third, "ana", Verdict.UNDONE)
    assert estimate_precision(connection, SPECIES).waiting == 2
    following = reviews.next_event(connection, SPECIES, "", ReviewOrder.RANDOM)
    assert following
    assert following.id == first, "it is asked again first"


def test_draw_from_one_site_is_no_draw_from_all_sites(connection: Connection) -> None:
    rng = random.Random(3)
    right = put(connection, rng, 20) | put(connection, rng, 20, "fen")
    for _ in range(10):
        review_next(connection, right, ReviewOrder.RANDOM, site="fen")
    of_all, of_fen = (estimate_precision(connection, SPECIES, site) for site in ("", "fen"))
    assert (of_all.rows, of_all.outside) == ([], 10)
    assert (of_fen.waiting, of_fen.outside) == (0, 0)
    for _ in range(8):
        review_next(connection, right, ReviewOrder.RANDOM)
    assert estimate_precision(connection, SPECIES, "pond").rows, "a draw from all sites is a draw from each"


def test_precision_is_of_the_name_that_the_model_gave(connection: Connection) -> None:
    put(connection, random.Random(4), 1)
    (call,) = connection.scalars(select(events.c.id))
    reviews.add_review(connection, call, "ana", Verdict.RELABELLED, "BOAFAB", drawn_from="")
    estimate = estimate_precision(connection, SPECIES)
    assert {(row.reviewed, row.right) for row in estimate.rows} == {(1, 0)}
    assert estimate_precision(connection, "BOAFAB").rows == []


@pytest.mark.parametrize(
    ("n", "right", "low", "high"),
    [(263, 81, 0.2535, 0.3682), (148, 15, 0.0598, 0.1644), (20, 0, 0.0, 0.2005), (29, 1, 0.0018, 0.1963)],
)
def test_interval_is_newcombes(n: int, right: int, low: float, high: float) -> None:
    """Table I of Newcombe (1998), Statistics in Medicine 17, 857, method 4."""
    assert Precision(0.5, n, right).interval == pytest.approx((low, high), abs=1e-4)
    assert Precision(0.5, n, n - right).interval == pytest.approx((1 - high, 1 - low), abs=1e-4)
