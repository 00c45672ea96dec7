"""Which calls are extracted as clips, and what the files say."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource
from anura_edge.clips.extract import SCORE_BINS, choose_bouts, to_wav
from anura_edge.clips.finder import FoundClip
from anura_edge.clips.store import to_flac
from anura_edge.results.rows import Bout
from anura_edge.sources.files.open_file import open_file
from anura_edge.wire import Owner

START = datetime(2026, 11, 20, 22, tzinfo=UTC)
RATE_HZ = 8_000


def bout(number: int, score: float = 0.9, species: str = "Boana faber", site: str = "pond") -> Bout:
    names = "BOAFAB", species, ""
    onset = 5 * RATE_HZ
    return Bout(
        *(UUID(int=number), Owner(site, "one"), *names, score, START, START + timedelta(seconds=1)),
        *("f00d", "Data/a.wav", onset, onset + RATE_HZ, RATE_HZ),
    )


SCORES = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["Boana faber", "Scinax"])), max_size=60)


@given(SCORES, st.integers(1, 20), st.booleans())
def test_each_species_has_the_number_of_clips_that_was_asked_for(
    scores: list[tuple[float, str]], per_species: int, by_bins: bool
) -> None:
    bouts = [bout(number, score, species) for number, (score, species) in enumerate(scores)]
    chosen = choose_bouts(bouts, per_species, by_score_bins=by_bins)
    available = Counter(each.name for each in bouts)
    assert Counter(each.name for each in chosen) == {name: min(per_species, n) for name, n in available.items()}
    assert set(chosen) == set(choose_bouts(bouts[::-1], per_species, by_score_bins=by_bins))


def test_bins_of_scores_have_equal_shares_as_far_as_they_last() -> None:
    scores = [0.95] * 30 + [0.55] * 30 + [0.15] * 2
    chosen = choose_bouts([bout(n, score) for n, score in enumerate(scores)], 12, by_score_bins=True)
    assert Counter(int(each.score * SCORE_BINS) for each in chosen) == {9: 5, 5: 5, 1: 2}


def test_best_clips_have_the_highest_scores() -> None:
    chosen = choose_bouts([bout(n, n / 10) for n in range(10)], 3, by_score_bins=False)
    assert [each.score for each in chosen] == [0.9, 0.8, 0.7]


@pytest.mark.parametrize("species", ["Boana faber", "Hyla\nTimestamp: 1999-01-01T00:00:00Z", "Ärger"])
def test_guano_of_a_clip_is_read_back(tmp_path: Path, species: str) -> None:
    samples = (np.random.default_rng(1).normal(0, 0.1, 3 * RATE_HZ) * 2**15).astype(np.int16)
    clip = FoundClip(UUID(int=1), to_flac(samples, RATE_HZ), "", 3 * RATE_HZ)
    file = tmp_path / "clip.wav"
    file.write_bytes(to_wav(bout(1, species=species), clip, "tones 1.0.0"))
    recording = open_file(file, file.name).recording
    assert (recording.start_utc, recording.clock_source) == (START - timedelta(seconds=2), ClockSource.RECORDER)
    assert sf.read(file, dtype="int16")[0].tolist() == samples.tolist()
    assert b"Species Auto ID: " + " ".join(species.split()).encode() in file.read_bytes()
