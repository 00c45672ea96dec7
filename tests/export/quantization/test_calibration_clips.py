"""Ranges and comparison use different recordings, the same in each run."""

from collections import Counter

import numpy as np
import pytest
from data_sets import FROGS_RATE_HZ, write_frogs

from anura_edge.errors import SourceError
from anura_export.quantization.calibration_clips import comparison_clips, range_clips, select_recordings
from anura_train.data import Corpus, read_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_corpus(write_frogs(tmp_path_factory.mktemp("frogs")))


def test_selection_is_deterministic(corpus: Corpus) -> None:
    assert select_recordings(corpus) == select_recordings(corpus)


def test_range_and_comparison_share_no_group(corpus: Corpus) -> None:
    chosen = select_recordings(corpus)
    assert {each.group for each in chosen.ranges}.isdisjoint(each.group for each in chosen.compared)


def test_ranges_have_each_kind_but_no_held_out(corpus: Corpus) -> None:
    ranges = select_recordings(corpus).ranges
    assert Counter(each.codes for each in ranges) == {("AAA",): 2, ("BBB",): 1, ("CCC",): 1, ("DDD",): 1, (): 3}
    assert not any(each.held_out for each in ranges)


def test_range_clips_include_silence_noise_and_clipping(corpus: Corpus) -> None:
    ranges = select_recordings(corpus).ranges
    *recorded, silence, noise, clipped = range_clips(ranges, FROGS_RATE_HZ)
    assert len(recorded) == len(ranges)
    assert not silence.any()
    assert 0 < np.abs(noise).max() < 1e-3
    assert np.mean(np.abs(clipped) == 1) > 0.5


def test_comparison_uses_every_selected_recording(corpus: Corpus) -> None:
    compared = select_recordings(corpus).compared
    assert len(list(comparison_clips(compared, FROGS_RATE_HZ))) == len(compared)


def test_single_recording_is_not_enough(corpus: Corpus) -> None:
    with pytest.raises(SourceError, match="too few"):
        select_recordings(corpus.filter_recordings(lambda each: each.name == "frogs/audio/AAA_0.flac"))
