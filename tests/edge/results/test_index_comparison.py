"""Calling indices of people are read from both layouts, and compared with the proxy."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from anura_edge.cli.main import app
from anura_edge.errors import ConfigError
from anura_edge.events import Effort, Event
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle
from anura_edge.results.index_comparison import ALL_SPECIES, IndexAgreement, compare_indices, read_indices
from anura_edge.store.journal import Journal
from anura_edge.wire import Provenance

LABELS = {"LOW": "Tonus gravis", "HIGH": "Tonus acutus"}


def call(recording: str, label: str, onset_s: float, offset_s: float) -> dict[str, object]:
    return {
        "recording_name": recording,
        "label": label,
        "onset_sample": round(onset_s * 8_000),
        "offset_sample": round(offset_s * 8_000),
        "rate_hz": 8_000,
    }


def test_both_layouts_are_read(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("recording,species,index\nData/A_1.wav,LOW,2\nA_1,Tonus acutus,0\n")
    (tmp_path / "weak_labels.csv").write_text("MONITORING_SITE,AUDIO_FILE_ID,LOW,HIGH\nINCT04,A_1,2,0\n")
    assert read_indices(tmp_path / "long.csv") == {("a_1", "LOW"): 2, ("a_1", "Tonus acutus"): 0}
    assert read_indices(tmp_path / "weak_labels.csv") == {("a_1", "LOW"): 2, ("a_1", "HIGH"): 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recording,species,index\na.wav,LOW,4\n", "line 2: '4' is not a calling index; write 0, 1, 2 or 3"),
        ("recording,species,index\na.wav,LOW,\n", "'' is not a calling index"),
        ("file,species,index\n", "no column 'recording'; the columns are recording, species, index"),
    ],
)
def test_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "index.csv").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_indices(tmp_path / "index.csv")


def test_proxy_of_a_recording_is_that_of_its_fullest_minute() -> None:
    calls = [call("Data/A.wav", "LOW", 50, 70), call("Data/A.wav", "LOW", 75, 90), call("Data/B.wav", "HIGH", 0, 58)]
    indices = {("a", "LOW"): 2, ("b", "Tonus acutus"): 1, ("b", "LOW"): 0, ("c", "LOW"): 3, ("a", "OTHER"): 1}
    found = compare_indices(indices, calls, ["Data/A.wav", "Data/B.wav"], LABELS)
    by_name = {each.species: each for each in found}
    assert [each.species for each in found] == ["Tonus acutus", "Tonus gravis", ALL_SPECIES]
    assert by_name["Tonus gravis"].counts == ((1, 0, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    assert by_name["Tonus acutus"].counts[1][3] == 1  # people gave 1, the proxy is 3
    assert (by_name[ALL_SPECIES].recordings, by_name[ALL_SPECIES].equal) == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_the_one_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(seed)
    people, proxy = random.integers(0, 4, 60), random.integers(0, 4, 60)
    proxy = np.where(random.random(60) < seed / 5, people, proxy)
    counts = tuple(tuple(int(((people == i) & (proxy == j)).sum()) for j in range(4)) for i in range(4))
    agreement = IndexAgreement("x", 60, counts)
    expected = metrics.cohen_kappa_score(people, proxy, weights="quadratic", labels=[0, 1, 2, 3])
    assert agreement.kappa == pytest.approx(expected)
    assert agreement.equal == pytest.approx((people == proxy).mean())
    assert agreement.within_one == pytest.approx((abs(people - proxy) <= 1).mean())


def test_command_compares_a_journal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_event: Callable[..., Event],
    make_effort: Callable[..., Effort],
    provenance: Provenance,
) -> None:
    label = load_bundle(DEFAULT_BUNDLE).manifest.labels[0]
    monkeypatch.setenv("ANURA__STATE_DIR", str(tmp_path))
    with closing(Journal(tmp_path / "journal.db")) as journal:
        event = make_event(label=label.code, onset_sample=0, offset_sample=30 * 8_000)
        journal.commit([event], [make_effort()], provenance)
    (tmp_path / "index.csv").write_text(f"recording,species,index\nA_20261120_193000,{label.scientific_name},2\n")
    result = CliRunner().invoke(app, ["calling-index", str(tmp_path / "index.csv")])
    assert result.exit_code == 0, result.output
    assert f"{label.scientific_name:<30}      1 recordings  equal 100%" in result.output
    (tmp_path / "index.csv").write_text("recording,species,index\nother,LOW,2\n")
    result = CliRunner().invoke(app, ["calling-index", str(tmp_path / "index.csv")])
    assert "no recording that was analysed" in str(result.exception)
