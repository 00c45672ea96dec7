"""The page holds everything, fetches nothing, and what it draws is what was counted."""

import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning_fabric import Fabric

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
from anura_train.training.folds import RunContext, fit_final, fit_fold

EVIL = "<script>alert(1)</script>"


def made(skill: float) -> tuple[Corpus, Predictions]:
    """Return two species that call at 20 and at 23 o'clock, in a place with an evil name."""
    rng = np.random.default_rng(0)
    recordings, rows = [], {}
    for index in range(40):
        code = (("AAA",), ("BBB",), (), ())[index % 4]
        name = f"{index}.wav"
        start = datetime(2024, 5, 1, 20 if index % 4 == 0 else 23, 59, 57, tzinfo=UTC)
        recordings.append(Recording(Path(name), name, name, tuple(map(WeakLabel, code)), site=EVIL, start=start))
        row = rng.normal(-3, 1, (6, 2))
        for each in code:
            row[:3, ("AAA", "BBB").index(each)] += skill
        rows[name] = row.astype(np.float32)
    trial = Predictions(tuple(recordings), ("AAA", "BBB"), np.arange(40) // 4 % 2, rows, 1.0, 1.0)
    return Corpus(tuple(recordings), (Taxon("AAA"), Taxon("BBB"))), trial


class Links(HTMLParser):
    """Notes whatever a page would fetch, and every tag that opens."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]


def test_a_page_of_two_models_needs_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    candidates = []
    for skill, colour in ((40.0, OWN_COLOUR), (2.0, OTHER_COLOUR)):
        corpus, trial = made(skill)
        evaluation = evaluate(recipe, corpus, trial).model_copy(update={"title": f"{EVIL} {skill}"})
        candidates.append(make_candidate(evaluation, trial, colour))
    text = write_report(tmp_path, candidates, ()).read_text(encoding="utf-8")
    links = Links()
    links.feed(text)
    assert links.fetched
    assert all(each.startswith("data:image/png;base64,") for each in links.fetched)
    assert links.tags.count("script") == 1
    assert EVIL not in text
    assert "http" not in re.sub(r'<meta http-equiv|base64,[^"]*', "", text)
    for name in ("f1-by-frequency", "f1-strip", "confusion", "reliability", "thresholds", "diel", "time-of-day"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_activity_is_time_heard_over_time_listened(recipe: Recipe) -> None:
    corpus, trial = made(40.0)
    found = count_activity(make_candidate(evaluate(recipe, corpus, trial), trial, OWN_COLOUR))
    assert found is not None
    # Three seconds before the hour and three behind it; a frog calls in the first three.
    assert found.listened_s[0, [20, 21, 23, 0]] == pytest.approx([30, 30, 90, 90])
    assert found.overall[:, 20] == pytest.approx([1, 0])
    assert found.overall[:, 23] == pytest.approx([0, 1 / 3])
    assert found.overall[:, 0] == pytest.approx([0, 0])
    assert np.isnan(found.overall[:, 12]).all()


def test_without_times_there_is_no_activity(recipe: Recipe, tmp_path: Path) -> None:
    corpus, trial = made(40.0)
    untimed = tuple(Recording(each.path, each.name, each.group, each.weak) for each in trial.recordings)
    trial = Predictions(untimed, trial.labels, trial.fold, trial.frame_logits, 1.0, 1.0)
    own = make_candidate(evaluate(recipe, corpus, trial), trial, OWN_COLOUR)
    assert count_activity(own) is None
    assert "nothing is known of the time of day" in write_report(tmp_path, [own], ()).read_text()


def test_confusions_are_counted_by_hand() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool)
    heard = np.array([[1, 1], [0, 0], [0, 1], [1, 1]], bool)
    assert confusion(heard, truth) == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


def test_reliability_is_counted_by_hand() -> None:
    said, came, count = reliability(
        np.array([[0.91, 0.15], [0.99, 0.11]], np.float32), np.array([[1, 0], [0, 0]], bool)
    )
    assert said == pytest.approx([0.13, 0.95])
    assert came == pytest.approx([0, 0.5])
    assert count == [2, 2]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_a_cell_is_what_is_nearest(seed: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    where = rng.random((points, 2))
    for index, cell in enumerate(cells(where, np.zeros(2), np.ones(2))):
        # A cell is convex, so a mean of its corners lies in it.
        inside = rng.dirichlet(np.ones(len(cell))) @ cell
        distances = np.hypot(*(where - inside).T)
        assert distances[index] <= distances.min() + 1e-6


def test_few_recordings_lie_by_main_axes_and_more_by_umap() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(0, 0.1, (20, 8)) + np.repeat([[0.0], [5.0]], 10, axis=0)).astype(np.float32)
    assert project(vectors[:5])[1] == "principal components"
    plane, method = project(vectors)
    assert method == "UMAP"
    assert plane.shape == (20, 2)
    assert (project(vectors)[0] == plane).all()


def test_the_command_shows_what_was_trained(
    root: Path, recipe: Recipe, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick, out = recipe.model_copy(update={"steps": 2}), tmp_path / "out"
    bench = RunContext(out, Fabric(accelerator="cpu", devices=1))
    for fold in range(quick.folds):
        fit_fold(quick, corpus, fold, bench, lambda _: None)
    fit_final(quick, corpus, bench, lambda _: None)
    write_evaluation(out, evaluate(quick, corpus, read_predictions(out, quick, corpus)))
    monkeypatch.setattr(sys, "argv", ["anura-train", "report", "--data", str(root), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    text = (out / "report/index.html").read_text(encoding="utf-8")
    assert "Map of species" in text
    assert "principal components" in text
    assert (out / "report/embedding-voronoi.png").exists()
