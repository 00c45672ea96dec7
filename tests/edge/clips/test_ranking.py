"""The best clips of every label and night stay, and rare labels are deleted last."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.clips import ranking
from anura_edge.clips.ranking import Clip, least_valuable_first, make_clip, parse_clip_name, surplus

EVENING = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)

clips = st.builds(
    make_clip,
    st.datetimes(datetime(2026, 11, 20), datetime(2026, 11, 22), timezones=st.just(UTC)),
    st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 1)), min_size=1, max_size=3),
)
folders = st.lists(clips, max_size=20, unique=True)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.lists(st.tuples(st.text(max_size=70), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_clip_name_round_trips_and_is_a_safe_path(utc: datetime, events: list[tuple[str, float]]) -> None:
    clip = make_clip(utc, events)
    assert parse_clip_name(clip.name, 0) == clip
    assert abs(clip.utc - utc) < timedelta(milliseconds=1)
    assert clip.name.isascii()
    assert not set(clip.name) & set("/\\. \0") - {"."}
    assert len(clip.name) <= 255


def test_clip_name_is_readable() -> None:
    clip = make_clip(
        datetime(2026, 11, 20, 19, 30, 2, 500_900, UTC), [("HYLVER", 0.551), ("PSECRU", 0.9), ("PSECRU", 0.974)]
    )
    assert clip.name == "20261120T193002500Z_PSECRU-974_HYLVER-551.flac"


@pytest.mark.parametrize(
    "name", ["", "notes.txt", "a.flac", "20261120T193002500Z.flac", "20261399T193002500Z_A-1.flac"]
)
def test_other_file_name_is_no_clip(name: str) -> None:
    assert parse_clip_name(name, 0) is None


def _scores(clips: Iterable[Clip], group: tuple[str, date]) -> list[int]:
    return sorted((s for clip in clips for label, s in clip.scores if (label, clip.night(UTC)) == group), reverse=True)


@given(folders, st.integers(1, 4))
def test_only_the_best_of_each_species_and_night_stay(folder: list[Clip], best: int) -> None:
    kept = set(folder) - surplus(folder, best, UTC)
    groups = {(label, clip.night(UTC)) for clip in folder for label, _ in clip.scores}
    for group in groups:
        assert _scores(kept, group)[:best] == _scores(folder, group)[:best]
    assert len(kept) <= best * len(groups)
    assert surplus(kept, best, UTC) == set()


@given(folders)
def test_clips_are_removed_from_common_to_rare(folder: list[Clip]) -> None:
    left = [*folder]
    for deleted in least_valuable_first(folder):
        counts = Counter(label for clip in left for label, _ in clip.scores)
        ranking = {
            clip: (-min(counts[label] for label, _ in clip.scores), clip.scores[0][1], clip.utc) for clip in left
        }
        assert ranking[deleted] == min(ranking.values())
        left.remove(deleted)
    assert left == []


def test_removal_order_takes_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full search for each deleted clip would take 16 million steps here, and exceed the watchdog's timeout."""
    calls = Counter[str]()
    rarest = ranking._rarest
    monkeypatch.setattr(ranking, "_rarest", lambda *values: calls.update("x") or rarest(*values))
    minutes = range(4_000)
    folder = [make_clip(EVENING + timedelta(minutes=n), [("ABC"[n % 3], 0.5), ("DEFG"[n % 4], 0.6)]) for n in minutes]
    assert len([*least_valuable_first(folder)]) == len(minutes)
    assert calls["x"] < 10 * len(minutes)


def test_removal_order_is_by_score_then_age() -> None:
    sure, unsure, old = (
        make_clip(EVENING + timedelta(minutes=minute), [("A", p)]) for minute, p in ((3, 0.9), (2, 0.5), (1, 0.5))
    )
    assert [*least_valuable_first([sure, unsure, old])] == [old, unsure, sure]


def test_night_is_noon_to_noon_in_the_site_zone() -> None:
    before_midnight, after = (
        make_clip(EVENING, [("A", 1)]),
        make_clip(EVENING + timedelta(hours=3), [("A", 1)]),
    )
    assert before_midnight.night(UTC) == after.night(UTC) == date(2026, 11, 20)
    assert before_midnight.night(timezone(timedelta(hours=-11))) == date(2026, 11, 19)
