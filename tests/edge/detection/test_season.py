"""Species are left out by week only where their range and the date are known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.detection.pipeline import analyse
from anura_edge.detection.season import can_occur, week_of_year
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.loading import load_classifier
from anura_edge.inference.manifest import WEEKS, Label

SUMMER = tuple(0.5 if 16 <= week < 32 else 0.001 for week in range(WEEKS))
BIRD = Label(code="LOW", scientific_name="Tonus gravis", threshold=0.5, week_scores=SUMMER)
FROG = Label(code="HIGH", scientific_name="Tonus acutus", threshold=0.5)


@pytest.mark.parametrize(
    ("month", "day", "week"), [(1, 1, 0), (1, 7, 0), (1, 8, 1), (1, 31, 3), (2, 29, 7), (12, 21, 46), (12, 31, 47)]
)
def test_week_is_a_quarter_of_a_month(month: int, day: int, week: int) -> None:
    assert week_of_year(datetime(2028, month, day, tzinfo=UTC)) == week


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(ClockSource), st.floats(0, 1))
def test_label_is_kept_without_range_scores_or_date(moment: datetime, clock: ClockSource, limit: float) -> None:
    assert can_occur(FROG, moment, clock, limit)
    assert can_occur(BIRD, moment, clock, 0.0)
    if clock in (ClockSource.UNKNOWN, ClockSource.FILE):
        assert can_occur(BIRD, moment, clock, limit)
    else:
        assert can_occur(BIRD, moment, clock, 0.03) == (5 <= moment.month <= 8)


@pytest.mark.parametrize(
    ("clock", "limit", "labels"),
    [
        (ClockSource.RECORDER, 0.03, ["HIGH"]),
        (ClockSource.RECORDER, 0.0, ["LOW", "HIGH"]),
        (ClockSource.UNKNOWN, 0.03, ["LOW", "HIGH"]),
    ],
)
def test_species_out_of_its_season_is_left_out_and_effort_is_not(
    make_source: Callable[..., Any],
    two_calls: Callable[..., Any],
    stream_bundle: Bundle,
    clock: ClockSource,
    limit: float,
    labels: list[str],
) -> None:
    manifest = stream_bundle.manifest.model_copy(update={"labels": (BIRD, FROG)})
    bundle = replace(stream_bundle, manifest=manifest)
    detector = Detector(bundle, load_classifier(bundle), DetectionSettings(range=limit), 1.0)
    source = make_source(two_calls())  # in November
    source.recording = replace(source.recording, clock_source=clock)
    outputs = list(analyse(source, detector, 0))
    assert [event.label for output in outputs for event in output.events] == labels
    assert sum(effort.samples for output in outputs for effort in output.efforts) == 80_000
