"""The report page is complete, loads nothing, and shows what was counted."""

import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_train.cli import main
from anura_train.data import Corpus, Recording, Taxon, WeakLabel
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.predictions import Predictions, read_predictions
from anura_train.evaluation.results import write_evaluation
from anura_train.recipe import Recipe
from anura_train.report.activity import count_activity
from anura_train.report.embedding import cells, project
from anura_train.report.page import write_report
from anura_train.report.performance import confusion, make_candidate, reliability
from anura_train.report.plot import OTHER_COLOUR, OWN_COLOUR

MARKUP = "<script>alert(1)</script>"


def make_predictions(skill: float) -> tuple[Corpus, Predictions]:
    """Return two species that call at 20:59 and at 23:59, at a site whose name is HTML markup."""
    rng = np.random.default_rng(0)
    recordings, frame_logits = [], {}
    for index in range(40):
        code = (("AAA",), ("BBB",), (), ())[index % 4]
        name = f"{index}.wav"
        start = datetime(2024, 5, 1, 20 if index % 4 == 0 else 23, 59, 57, tzinfo=UTC)
        recordings.append(Recording(Path(name), name, name, tuple(map(WeakLabel, code)), site=MARKUP, start=start))
        logits = rng.normal(-3, 1, (6, 2))
        for each in code:
            logits[:3, ("AAA", "BBB").index(each)] += skill
        frame_logits[name] = logits.astype(np.float32)
    predictions = Predictions(tuple(recordings), ("AAA", "BBB"), np.arange(40) // 4 % 2, frame_logits, 1.0, 1.0)
    return Corpus(tuple(recordings), (Taxon("AAA"), Taxon("BBB"))), predictions


class Links(HTMLParser):
    """Collects every address that a page would load, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_a_page_of_two_models_loads_nothing(recipe: Recipe, tmp_path: Path) -> None:
    candidates = []
    for skill, colour in ((40.0, OWN_COLOUR), (2.0, OTHER_COLOUR)):
        corpus, predictions = make_predictions(skill)
        evaluation = evaluate(recipe, corpus, predictions).model_copy(update={"title": f"{MARKUP} {skill}"})
        candidates.append(make_candidate(evaluation, predictions, colour))
    text = write_report(tmp_path, candidates, ()).read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert links.loaded
    assert all(each.startswith("data:image/png;base64,") for each in links.loaded)
    assert links.tags.count("script") == 1
    assert MARKUP not in text
    assert "http" not in re.sub(r'<meta http-equiv|base64,[^"]*', "", text)
    for name in ("f1-by-frequency", "f1-strip", "confusion", "reliability", "thresholds", "diel", "time-of-day"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_activity_is_time_with_detections_over_recorded_time(recipe: Recipe) -> None:
    corpus, predictions = make_predictions(40.0)
    activity = count_activity(make_candidate(evaluate(recipe, corpus, predictions), predictions, OWN_COLOUR))
    assert activity is not None
    # Each recording has three seconds before and three after the full hour; a frog calls in the first three.
    assert activity.effort_s[0, [20, 21, 23, 0]] == pytest.approx([30, 30, 90, 90])
    assert activity.overall[:, 20] == pytest.approx([1, 0])
    assert activity.overall[:, 23] == pytest.approx([0, 1 / 3])
    assert activity.overall[:, 0] == pytest.approx([0, 0])
    assert np.isnan(activity.overall[:, 12]).all()


def test_without_start_times_there_is_no_activity(recipe: Recipe, tmp_path: Path) -> None:
    corpus, predictions = make_predictions(40.0)
    untimed = tuple(Recording(each.path, each.name, each.group, each.weak) for each in predictions.recordings)
    predictions = Predictions(untimed, predictions.labels, predictions.fold, predictions.frame_logits, 1.0, 1.0)
    own = make_candidate(evaluate(recipe, corpus, predictions), predictions, OWN_COLOUR)
    assert count_activity(own) is None
    assert "activity by time of day is unknown" in write_report(tmp_path, [own], ()).read_text()


def test_confusion_of_a_hand_computed_example() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool)
    detected = np.array([[1, 1], [0, 0], [0, 1], [1, 1]], bool)
    assert confusion(detected, truth) == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


def test_reliability_of_a_hand_computed_example() -> None:
    mean, true, count = reliability(
        np.array([[0.91, 0.15], [0.99, 0.11]], np.float32), np.array([[1, 0], [0, 0]], bool)
    )
    assert mean == pytest.approx([0.13, 0.95])
    assert true == pytest.approx([0, 0.5])
    assert count == [2, 2]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_cell_is_nearest_to_its_point(seed: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.random((points, 2))
    for index, cell in enumerate(cells(positions, np.zeros(2), np.ones(2))):
        # A cell is convex, so a mean of its corners lies in it.
        inside = rng.dirichlet(np.ones(len(cell))) @ cell
        distances = np.hypot(*(positions - inside).T)
        assert distances[index] <= distances.min() + 1e-6


def test_umap_is_used_for_enough_recordings() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(0, 0.1, (20, 8)) + np.repeat([[0.0], [5.0]], 10, axis=0)).astype(np.float32)
    assert project(vectors[:5])[1] == "principal components"
    points_2d, method = project(vectors)
    assert method == "UMAP"
    assert points_2d.shape == (20, 2)
    assert (project(vectors)[0] == points_2d).all()


def test_the_command_writes_the_page_of_a_training(
    root: Path, short: Recipe, corpus: Corpus, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_evaluation(trained, evaluate(short, corpus, read_predictions(trained, short, corpus)))
    monkeypatch.setattr(sys, "argv", ["anura-train", "report", "--data", str(root), "--out", str(trained)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    text = (trained / "report/index.html").read_text(encoding="utf-8")
    assert "Map of species" in text
    assert "principal components" in text
    assert (trained / "report/embedding-voronoi.png").exists()
