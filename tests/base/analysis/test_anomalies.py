"""Differences from a site's history are found, and usual nights are not reported."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, insert

from anura_base.analysis import rollup
from anura_base.analysis.anomalies import find_anomalies
from anura_base.analysis.anomaly_rules import MIN_NIGHTS, Z_SCORE_LIMIT, Anomaly, AnomalyKind, modified_z_score
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events

EVENING = date(2026, 11, 20)
SITES = {"pond": Site(zone="America/Sao_Paulo")}

COMMON = {
    "site": "pond", "device": "d", "journal": uuid4(), "received_utc": datetime(2026, 11, 21, tzinfo=UTC), "seq": 1,
    "recording": "r", "recording_name": "r.wav", "rate_hz": 1_000, "clock_source": "gps", "model_id": "m",
    "model_version": "1", "config_hash": "c", "app_version": "0",
}  # fmt: skip


def put(engine: Engine, back: int, calls: int = 20, state: str = "analysed", model: str = "aa", **more: Any) -> None:
    """Insert a night with four hours of effort, unless `recorded` is False."""
    start = datetime(2026, 11, 20, 23, tzinfo=UTC) - timedelta(days=back)
    same = {**COMMON, "model_sha256": model, "start_utc": start}
    name = more.get("species", "Boana faber")
    effort_columns = {"state": state, "first_sample": 0, "samples": 4 * 3_600_000, "level_dbfs": more.get("level")}
    event_columns = {"label": "X", "scientific_name": name, "end_utc": start, "onset_sample": 0, "offset_sample": 1}
    scores = {"p_peak": 0.8, "p_mean": 0.8, "level_dbfs": -20}
    with engine.begin() as connection:
        if more.get("recorded", True):
            connection.execute(insert(effort).values({**same, **effort_columns, "id": uuid4()}))
        if calls:
            connection.execute(
                insert(events), [{**same, **event_columns, **scores, "id": uuid4()} for _ in range(calls)]
            )


def find(engine: Engine) -> list[Anomaly]:
    rollup.refresh(engine)
    with engine.connect() as connection:
        return find_anomalies(connection, SITES, EVENING)


@pytest.fixture
def usual(engine: Engine) -> Engine:
    """A site with ten nights of about five calls an hour."""
    install_triggers(engine)
    for back in range(1, 11):
        put(engine, back, calls=18 + back % 5)
    return engine


def test_usual_night_is_no_anomaly(usual: Engine) -> None:
    put(usual, 0)
    assert find(usual) == []


@pytest.mark.parametrize(("calls", "word"), [(400, "more"), (0, "less")])
def test_change_of_rate_is_reported_with_both_rates(usual: Engine, calls: int, word: str) -> None:
    put(usual, 0, calls=calls)
    both = find(usual)
    assert [(found.kind, found.species) for found in both] == [
        (AnomalyKind.RATE, ""),
        (AnomalyKind.RATE, "Boana faber"),
    ]
    assert word in both[0].what
    assert dict(both[0].evidence)["this night"] == f"{calls / 4:.1f} calls per hour"
    assert both[0].history[-1] == calls / 4
    assert both[0].history[0] is None


def test_missing_silent_and_clipped_audio_are_distinguished(usual: Engine) -> None:
    (nothing,) = find(usual)
    assert (nothing.kind, nothing.what) == (AnomalyKind.SILENCE, "No audio of this night was received.")
    put(usual, 0, calls=0, state="silent")
    (flat,) = find(usual)
    assert "flat line" in flat.what
    put(usual, 0, calls=0, state="clipped")
    assert {found.kind for found in find(usual)} == {AnomalyKind.SILENCE, AnomalyKind.CLIPPING}


@pytest.mark.parametrize(
    ("before", "level", "is_reported"),
    [([], -85, True), ([], -80, False), ([-50, -62], -73, True), ([-50, -62], -70, False), ([-50, -62], None, False)],
)
def test_deaf_microphone_is_reported(
    engine: Engine, before: list[float], level: float | None, is_reported: bool
) -> None:
    """Usual nights differ by 12 dB. The first nights have only the limit of a converter."""
    install_triggers(engine)
    for back in range(1, MIN_NIGHTS + 1) if before else ():
        put(engine, back, calls=0, level=before[back % 2])
    put(engine, 0, calls=0, level=level)
    assert [found.kind for found in find(engine)] == [AnomalyKind.LEVEL] * is_reported


@pytest.mark.parametrize("state", ["paused", "gated"])
def test_energy_saving_is_reported_as_the_cause(usual: Engine, state: str) -> None:
    put(usual, 0, calls=0, state=state)
    (found,) = find(usual)
    assert (found.kind, "saving energy" in found.what) == (AnomalyKind.SILENCE, True)
    assert state in dict(found.evidence)


def test_new_species_is_reported_with_its_score(usual: Engine) -> None:
    put(usual, 0)
    put(usual, 0, calls=2, species="Vitreorana uranoscopa", recorded=False)
    (found,) = find(usual)
    assert (found.kind, found.species) == (AnomalyKind.SPECIES, "Vitreorana uranoscopa")
    assert dict(found.evidence)["highest score"] == "0.80"


def test_change_of_rate_with_the_model_is_reported(engine: Engine) -> None:
    install_triggers(engine)
    for back in range(10):
        put(engine, back, calls=20 if back > 4 else 90, model="aa" if back > 4 else "bb")
    assert AnomalyKind.MODEL in {found.kind for found in find(engine)}


def test_new_site_has_no_anomaly(engine: Engine) -> None:
    install_triggers(engine)
    for back in range(MIN_NIGHTS - 2):
        put(engine, back, calls=0 if back else 500)
    assert find(engine) == []


def test_outliers_in_the_history_do_not_hide_a_change() -> None:
    calm = [5.0] * 8 + [4.0] * 8
    assert modified_z_score(30, [*calm, 200, 0]) > Z_SCORE_LIMIT
    assert abs(modified_z_score(8, calm)) < Z_SCORE_LIMIT
