"""Reviews are only added, and the last one of an event counts."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, func, insert, select

from anura_base.analysis import reviews
from anura_base.analysis.reviews import ReviewOrder
from anura_base.analysis.verdicts import reviews as table
from anura_base.db.schema import events
from anura_edge.events import Verdict

START = datetime(2026, 11, 20, 23, tzinfo=UTC)


def put(engine: Engine, *scores: float, **changes: Any) -> list[UUID]:
    rows = [
        {
            "id": uuid4(), "site": "pond", "device": "d", "journal": uuid4(), "received_utc": START, "seq": 1,
            "recording": "b2:1", "recording_name": "POND_20261120_200000.wav", "rate_hz": 1_000, "start_utc": START,
            "end_utc": START, "clock_source": "gps", "label": "BOAFAB", "scientific_name": "Boana faber",
            "onset_sample": 1_500, "offset_sample": 4_000, "p_peak": p, "p_mean": p, "level_dbfs": -20, "model_id": "m",
            "model_version": "1", "model_sha256": "aa", "config_hash": "c", "app_version": "0", **changes,
        }
        for p in scores
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(events), rows)
    return [row["id"] for row in rows]


def review(engine: Engine, event: UUID, verdict: Verdict, label: str = "", who: str = "ana") -> None:
    with engine.begin() as connection:
        reviews.add_review(connection, event, who, verdict, label)


def next_id(engine: Engine, order: ReviewOrder, species: str = "Boana faber", site: str = "") -> UUID | None:
    with engine.connect() as connection:
        found = reviews.next_event(connection, species, site, order)
        return found and found.id


def test_queue_contains_events_without_a_review(engine: Engine) -> None:
    low, high, middle = put(engine, 0.2, 0.9, 0.5)
    assert (next_id(engine, ReviewOrder.LOWEST), next_id(engine, ReviewOrder.HIGHEST)) == (low, high)
    review(engine, high, Verdict.CONFIRMED)
    assert next_id(engine, ReviewOrder.HIGHEST) == middle
    for _ in range(5):
        assert next_id(engine, ReviewOrder.RANDOM) in {low, middle}
    review(engine, middle, Verdict.REJECTED)
    review(engine, low, Verdict.RELABELLED, "PHYCUV")
    assert next_id(engine, ReviewOrder.RANDOM) is None


def test_undone_review_is_stored_and_event_is_queued_again(engine: Engine) -> None:
    (only,) = put(engine, 0.5)
    review(engine, only, Verdict.CONFIRMED)
    with engine.connect() as connection:
        assert reviews.latest_review(connection, "ana").event_id == only
        assert reviews.latest_review(connection, "bea") is None
    review(engine, only, Verdict.UNDONE)
    assert next_id(engine, ReviewOrder.HIGHEST) == only
    with engine.connect() as connection:
        assert reviews.latest_review(connection, "ana") is None
        assert connection.scalar(select(func.count()).select_from(table)) == 2


def test_queue_of_one_site_and_of_a_label_without_name(engine: Engine) -> None:
    put(engine, 0.9)
    (there,) = put(engine, 0.1, site="fen")
    (nameless,) = put(engine, 0.4, scientific_name="", label="X1")
    assert next_id(engine, ReviewOrder.HIGHEST, site="fen") == there
    assert next_id(engine, ReviewOrder.HIGHEST, "X1") == nameless
    assert next_id(engine, ReviewOrder.HIGHEST, "Nobody") is None
