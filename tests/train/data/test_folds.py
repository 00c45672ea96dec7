"""No group is in both training and test."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import ConfigError
from anura_train.data import Corpus, Recording, WeakLabel
from anura_train.data.folds import (
    Folds,
    assign_folds,
    check_disjoint,
    corpus_folds,
    night_folds,
    published_folds,
    site_folds,
    split_share,
)


def clip(index: int, code: str, group: int) -> Recording:
    return Recording(Path(f"{index}.flac"), f"{index}", f"g{group}", (WeakLabel(code),))


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 9)), min_size=12, max_size=60).filter(
        lambda drawn: (
            len({group for _, group in drawn}) >= 3
            and max([code for code, _ in drawn].count(letter) for letter in "ABC") >= 3
        )
    ),
    st.integers(0, 100),
)
def test_groups_stay_whole_and_each_recording_has_a_fold(drawn: list[tuple[str, int]], seed: int) -> None:
    clips = [clip(index, code, group) for index, (code, group) in enumerate(drawn)]
    folds = assign_folds(clips, 3, seed)
    assert set(folds) == {each.name for each in clips}
    assert set(folds.values()) <= {0, 1, 2}
    for group in {each.group for each in clips}:
        assert len({folds[each.name] for each in clips if each.group == group}) == 1


def test_two_groups_of_rare_species_are_in_two_folds() -> None:
    clips = [clip(index, "COMMON", index) for index in range(20)] + [clip(20, "RARE", 20), clip(21, "RARE", 21)]
    for seed in range(10):
        folds = assign_folds(clips, 5, seed)
        assert folds["20"] != folds["21"]


def test_group_in_two_parts_is_reported() -> None:
    clips = [clip(index, "AAA", index) for index in range(6)]
    folds = dict(assign_folds(clips, 3, 0))
    leaked = replace(clips[0], name="leak")
    folds["leak"] = (folds["0"] + 1) % 3
    with pytest.raises(ConfigError, match="group 'g0' is split between"):
        check_disjoint([*clips, leaked], folds)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 groups, which cannot fill 5 folds"):
        assign_folds([clip(index, "AAA", index % 2) for index in range(10)], 5, 0)


def test_same_file_under_two_names_is_a_leak() -> None:
    first, second = clip(0, "AAA", 0), replace(clip(1, "AAA", 1), path=Path("0.flac"))
    with pytest.raises(ConfigError, match=r"file '0\.flac' is split between"):
        check_disjoint([first, second], {"0": 0, "1": 1})


many = st.lists(st.tuples(st.sets(st.sampled_from("ABC")), st.integers(0, 9), st.integers(1, 9)), min_size=8)


def choir(drawn: list[tuple[set[str], int, int]]) -> list[Recording]:
    """Recordings with several species, in groups that may have several nights."""
    return [
        replace(
            clip(index, "AAA", group),
            weak=tuple(WeakLabel(code) for code in sorted(codes)),
            site="pond" if group % 2 else "lake",
            night=date(2024, 1, night),
        )
        for index, (codes, group, night) in enumerate(drawn)
    ]


@given(many, st.integers(0, 100))
def test_multilabel_folds_keep_groups_whole(drawn: list[tuple[set[str], int, int]], seed: int) -> None:
    recordings = choir(drawn)
    try:
        folds = assign_folds(recordings, 3, seed)
    except ConfigError:  # too few groups
        return
    check_disjoint(recordings, folds)
    assert set(folds) == {each.name for each in recordings}


@given(many, st.integers(0, 100))
def test_night_folds_keep_nights_and_groups_whole(drawn: list[tuple[set[str], int, int]], seed: int) -> None:
    recordings = choir(drawn)
    try:
        folds = night_folds(recordings, 2, seed)
    except ConfigError:  # all nights share groups
        return
    for whole in ({(each.site, each.night) for each in recordings}, {each.group for each in recordings}):
        for one in whole:
            members = [each for each in recordings if one in ((each.site, each.night), each.group)]
            assert len({folds[each.name] for each in members}) == 1


def test_site_folds_keep_sites_whole() -> None:
    recordings = choir([({"A"}, index % 4, 1) for index in range(12)])
    folds = site_folds(recordings)
    assert {(each.site, folds[each.name]) for each in recordings} == {("lake", 0), ("pond", 1)}
    with pytest.raises(ConfigError, match="group 'g1' is split between"):
        site_folds([*recordings, replace(recordings[1], name="leak", path=Path("leak"), site="lake")])


def test_published_folds_are_kept_or_refused_if_they_leak() -> None:
    recordings = [replace(clip(index, "AAA", index), split=str(index % 5 + 1)) for index in range(10)]
    assert published_folds(recordings) == {each.name: int(each.split) - 1 for each in recordings}
    with pytest.raises(ConfigError, match="group 'g1' is split"):
        published_folds([*recordings, replace(recordings[0], name="leak", path=Path("leak"), group="g1")])


@pytest.mark.parametrize("make", [site_folds, published_folds, lambda recordings: night_folds(recordings, 2, 0)])
def test_folds_without_their_column_are_refused(make: Callable[[list[Recording]], Folds]) -> None:
    with pytest.raises(ConfigError, match=r"2 of 2 recordings have no .*, such as 0"):
        make([clip(0, "AAA", 0), clip(1, "AAA", 1)])


def test_split_into_train_and_test_is_refused_as_folds() -> None:
    with pytest.raises(ConfigError, match="test, train, which are not numbered folds"):
        published_folds(
            [replace(clip(index, "AAA", index), split=split) for index, split in enumerate(("train", "test"))]
        )


@given(st.integers(0, 20))
def test_split_share_is_stratified_by_species(seed: int) -> None:
    recordings = choir([({"A"} | ({"B"} if index % 5 == 0 else set()), index, 1) for index in range(100)])
    chosen = split_share(recordings, 0.3, seed)
    assert len(chosen) == 30
    assert sum("B" in each.codes for each in recordings if each.name in chosen) == 6
    assert chosen == split_share(recordings, 0.3, seed)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=20, max_size=60), st.integers(0, 20))
def test_windows_of_one_minute_stay_in_one_fold(drawn: list[tuple[bool, int]], seed: int) -> None:
    windows = [
        clip(index, "AAA", minute) if called else replace(clip(index, "AAA", minute), weak=())
        for index, (called, minute) in enumerate(drawn)
    ]
    corpus = Corpus(tuple(windows), ())
    try:
        folds = corpus_folds(corpus, 3, seed)
    except ConfigError:  # too few groups
        return
    check_disjoint(windows, folds)
    assert set(folds) == {each.name for each in windows}


def test_held_out_group_in_training_is_refused() -> None:
    backgrounds = [replace(clip(index, "AAA", index), weak=()) for index in range(6, 12)]
    frogs = [clip(index, "AAA", index) for index in range(6)]
    planted = replace(backgrounds[0], name="planted", path=Path("planted"), held_out=True)
    with pytest.raises(ConfigError, match=r"group 'g6' is split between . and held out by planted"):
        corpus_folds(Corpus((*frogs, *backgrounds, planted), ()), 3, 0)
