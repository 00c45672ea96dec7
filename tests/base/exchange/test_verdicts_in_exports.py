"""Every export says what people judged about each call."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas
import pytest
from exported import POND, judge, store, table, unzipped, whole_file
from sqlalchemy import Engine

from anura_base.analysis import rollup
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.exchange.call_filter import CallFilter, VerdictFilter
from anura_base.exchange.export import EXPORTS, export
from anura_edge.errors import ConfigError

CONFIRMED = CallFilter(verdict=VerdictFilter.CONFIRMED)

CUVIERI, FABER = "Physalaemus cuvieri", "Boana faber"


@pytest.fixture
def judged(engine: Engine, make: Any) -> Engine:
    """Calls that were confirmed, rejected, relabelled, and not reviewed."""
    known = make.event(9, label="BOAFAB", scientific_name=FABER, common_name="Blacksmith Tree Frog")
    calls = [make.event(seq, common_name="Cuvier's Foam Froglet") for seq in range(1, 5)]
    store(engine, *calls, known)
    install_triggers(engine)
    rollup.refresh(engine)  # a label has its scientific name from the sums
    for call, verdict in zip(calls, ("confirmed", "rejected", "relabelled"), strict=False):
        judge(engine, call.id, verdict, "BOAFAB")
    return engine


def is_recent(text: str) -> bool:
    return abs(datetime.fromisoformat(text) - datetime.now(UTC)) < timedelta(hours=1)


def test_occurrences_have_status_person_and_time(judged: Engine) -> None:
    confirmed, rejected, relabelled, unreviewed, _ = table(judged, "darwin-core")
    status = [line["identificationVerificationStatus"] for line in (confirmed, rejected, relabelled, unreviewed)]
    assert status == ["confirmed", "rejected", "relabelled", "unverified"]
    assert {line["identifiedBy"] for line in (confirmed, rejected, relabelled)} == {"ana"}
    assert all(is_recent(line["dateIdentified"]) for line in (confirmed, rejected, relabelled))
    assert (unreviewed["identifiedBy"], unreviewed["dateIdentified"]) == ("anuraset-student 1.0.0", "")
    assert [line["occurrenceStatus"] for line in (confirmed, rejected)] == ["present", "absent"]
    assert (relabelled["scientificName"], relabelled["vernacularName"]) == (FABER, "")
    assert relabelled["previousIdentifications"] == f"{CUVIERI} (anuraset-student 1.0.0)"


@pytest.mark.parametrize("name", [name for name in EXPORTS if "effort" not in name])
def test_no_format_is_silent_about_a_verdict(engine: Engine, make: Any, name: str) -> None:
    """Also a format that will be added."""
    call = make.event(1, common_name="Cuvier's Foam Froglet")
    store(engine, call)

    def content() -> bytes:
        return b"".join(part.data for part in export(engine, name, POND))

    before = content()
    judge(engine, call.id, "rejected")
    assert content() != before


def test_names_of_people_are_in_kaleidoscopes_column(judged: Engine) -> None:
    lines = table(judged, "kaleidoscope")
    assert [line["MANUAL ID"] for line in lines] == [CUVIERI, f"not {CUVIERI}", FABER, "", ""]
    assert {line["TOP1MATCH"] for line in lines[:4]} == {CUVIERI}
    assert [line["REVIEWER"] for line in lines] == ["ana"] * 3 + [""] * 2
    assert all(is_recent(line["REVIEWED (UTC)"]) for line in lines[:3])


def test_tables_of_calls_have_verdict_person_and_time(judged: Engine) -> None:
    for name, reviewed in (("birdnet", "reviewed_utc"), ("raven", "Reviewed (UTC)")):
        lines = table(judged, name)
        verdict, reviewer = ("Verdict", "Reviewer") if name == "raven" else ("verdict", "reviewer")
        assert [line[verdict] for line in lines] == ["confirmed", "rejected", "relabelled", "", ""]
        assert [line[reviewer] for line in lines] == ["ana"] * 3 + [""] * 2
        assert all(is_recent(line[reviewed]) for line in lines[:3])
    relabelled = table(judged, "birdnet")[2]
    assert (relabelled["Scientific name"], relabelled["label"]) == (FABER, "BOAFAB")
    assert (relabelled["model_name"], relabelled["model_label"]) == (CUVIERI, "PHYCUV")


def test_label_tracks_have_the_verdict(judged: Engine) -> None:
    (track,) = unzipped(whole_file(judged, "audacity")).values()
    labels = [line.split("\t")[2] for line in track.decode().splitlines()]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert labels[:4] == [
        f"PHYCUV 0.93 confirmed by ana {today}",
        f"PHYCUV 0.93 rejected by ana {today}",
        f"BOAFAB 0.93 relabelled by ana {today}",
        "PHYCUV 0.93",
    ]


def test_parquet_has_verdict_person_and_time(judged: Engine) -> None:
    pytest.importorskip("pyarrow")
    frame = pandas.read_parquet(io.BytesIO(whole_file(judged, "parquet")))
    assert [*frame["verdict"]][:3] == ["confirmed", "rejected", "relabelled"]
    assert frame["verdict"].isna().tolist()[3:] == [True, True]
    assert frame["new_label"][2] == "BOAFAB"
    assert frame["new_name"][2] == FABER
    assert frame["reviewer"][0] == "ana"
    assert abs(frame["reviewed_utc"][0] - datetime.now(UTC)) < timedelta(hours=1)
    assert frame["night"][0] == date(2026, 11, 20)


@pytest.mark.parametrize("name", [name for name, form in EXPORTS.items() if form.of_calls])
def test_filter_selects_the_confirmed_calls(judged: Engine, name: str) -> None:
    assert sum(part.rows for part in export(judged, name, POND, CONFIRMED)) == 2


def test_filter_on_effort_is_refused(judged: Engine) -> None:
    with pytest.raises(ConfigError, match="cannot be selected by verdict"):
        whole_file(judged, "effort", calls=CONFIRMED)
