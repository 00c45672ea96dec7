"""No group is learnt from and tested on."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.errors import ConfigError
from anura_train.data import Clip
from anura_train.folds import assign_folds, check_disjoint


def clip(index: int, code: str, group: int) -> Clip:
    return Clip(Path(f"{index}.flac"), f"{index}", code, code, f"g{group}", "CC0", "")


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 9)), min_size=12, max_size=60).filter(
        lambda drawn: (
            len({group for _, group in drawn}) >= 3
            and max([code for code, _ in drawn].count(letter) for letter in "ABC") >= 3
        )
    ),
    st.integers(0, 100),
)
def test_every_clip_has_a_fold_and_no_group_has_two(drawn: list[tuple[str, int]], seed: int) -> None:
    clips = [clip(index, code, group) for index, (code, group) in enumerate(drawn)]
    folds = assign_folds(clips, 3, seed)
    assert set(folds) == {each.name for each in clips}
    assert set(folds.values()) <= {0, 1, 2}
    for group in {each.group for each in clips}:
        assert len({folds[each.name] for each in clips if each.group == group}) == 1


def test_the_two_groups_of_a_rare_species_are_tested_apart() -> None:
    clips = [clip(index, "COMMON", index) for index in range(20)] + [clip(20, "RARE", 20), clip(21, "RARE", 21)]
    for seed in range(10):
        folds = assign_folds(clips, 5, seed)
        assert folds["20"] != folds["21"]


def test_a_planted_leak_is_found() -> None:
    clips = [clip(index, "AAA", index) for index in range(6)]
    folds = dict(assign_folds(clips, 3, 0))
    leaked = replace(clips[0], name="leak")
    folds["leak"] = (folds["0"] + 1) % 3
    with pytest.raises(ConfigError, match="group 'g0' is split between folds"):
        check_disjoint([*clips, leaked], folds)


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 groups cannot fill 5 folds"):
        assign_folds([clip(index, "AAA", index % 2) for index in range(10)], 5, 0)
