"""A journal with flipped bits opens again. Each row is there, or its recording is analysed again."""

import pytest
from faultlab.bit_flips import File, flip_bits


@pytest.mark.parametrize("has_card", [False, True])
@pytest.mark.parametrize("file", ["database", "WAL"])
def test_any_flipped_bit_is_survived_and_accounted_for(file: File, has_card: bool) -> None:
    report = flip_bits(file, 8, seed=1, has_card=has_card)
    assert report.rounds == 8
    assert not report.violations
