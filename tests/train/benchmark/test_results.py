"""A benchmark trains, evaluates and writes its page; finished trainings are not repeated."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from anura_edge.errors import ConfigError
from anura_train.benchmark.leakage import write_both_splits
from anura_train.benchmark.page import BEGIN
from anura_train.benchmark.plan import read_plan
from anura_train.cli import main
from anura_train.data import read_corpus
from anura_train.evaluation.results import JSON
from anura_train.recipe import Recipe

RATE_HZ = 16_000


@pytest.fixture
def data(root: Path) -> Path:
    """The small data set with recordings of several windows, and an ESC-10 of two classes in three folds."""
    rng = np.random.default_rng(0)
    for path in (root / "frogs/audio").glob("*.flac"):
        samples, _ = soundfile.read(path)
        soundfile.write(path, np.tile(samples, 2), RATE_HZ)
    rows = []
    for fold in range(1, 4):
        for label, pitch_hz in (("Rain", 500), ("Dog bark", 3_000)):
            name = f"audio/{fold}-{fold}{pitch_hz}-A.ogg"
            tone = 0.2 * np.sin(2 * np.pi * pitch_hz * np.arange(3 * RATE_HZ) / RATE_HZ)
            soundfile.write(root / "esc10" / name, tone + rng.normal(0, 0.01, len(tone)), RATE_HZ)
            rows.append([name, fold, label])
    with (root / "esc10/esc10.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["file", "fold", "label"], *rows])
    return root


@pytest.fixture
def plan(recipe: Recipe, tmp_path: Path) -> Path:
    values = recipe.model_dump(mode="json")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values | {"variants": {"slow": {"learning_rate": 0.001}}}))
    windows = {"augment": None, "windows": {}, "example_s": 3.0, "steps": 2}
    entries = [{"recipe": "tiny.yaml", "changes": {"steps": 2}}]
    entries.append({"recipe": "tiny.yaml", "variants": ["slow"], "changes": {"steps": 2}})
    listed = {
        "recipes": entries,
        "comparison": {"baseline": "tiny", "others": ["tiny slow"]},
        "leakage": {"recipe": "tiny.yaml", "changes": windows},
    }
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(listed))
    return path


def run_benchmark(monkeypatch: pytest.MonkeyPatch, plan: Path, data: Path, out: Path, page: Path) -> int:
    where = ["--plan", str(plan), "--data", str(data), "--out", str(out), "--page", str(page), "--accelerator", "cpu"]
    monkeypatch.setattr(sys, "argv", ["anura-train", "benchmark", *where])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("train_in_process")
def test_a_benchmark_writes_its_page_and_repeats_nothing(
    plan: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, page = tmp_path / "out", tmp_path / "docs/results.md"
    assert run_benchmark(monkeypatch, plan, data, out, page) == 0
    text = page.read_text(encoding="utf-8")
    frogs = json.loads((out / "frogs/tiny" / JSON).read_text())
    macro = next(each for each in frogs["figures"] if each["measure"] == "macro-F1 tuned")
    assert f"| tiny | {macro['value']:.2f} ({macro['low']:.2f} to {macro['high']:.2f}) |" in text
    assert "`tiny slow` against `tiny`" in text
    assert text.count("\n| tiny slow |") == 3  # frogs, ESC-10, budgets
    assert "| random | 100 % |" in text
    assert "| grouped | 0 % |" in text
    assert json.loads((out / "esc10/tiny" / JSON).read_text())["folds"] == 3

    folds = sorted(out.rglob("fold-*.npz"))
    before = {path: path.stat().st_mtime_ns for path in folds}
    folds[0].unlink()
    page.write_text(text.replace(BEGIN, f"Our conclusions.\n\n{BEGIN}"), encoding="utf-8")
    assert run_benchmark(monkeypatch, plan, data, out, page) == 0
    after = {path: path.stat().st_mtime_ns for path in folds}
    assert [path for path in folds if after[path] != before[path]] == folds[:1]
    again = page.read_text(encoding="utf-8")
    assert "Our conclusions." in again
    assert [line for line in again.splitlines() if line.startswith("| tiny | 0")] == [
        line for line in text.splitlines() if line.startswith("| tiny | 0")
    ]


def test_both_splits_have_the_same_windows(data: Path, tmp_path: Path) -> None:
    corpus = read_corpus(data)
    made = write_both_splits(corpus, tmp_path / "windows")
    grouped, random = (read_corpus(tmp_path / "windows" / split) for split in ("grouped", "random"))
    assert [each.codes for each in made.recordings] == [each.codes for each in grouped.recordings]
    assert [each.path for each in grouped.recordings] == [each.path for each in random.recordings]
    assert {each.group for each in grouped.recordings} == {each.group for each in corpus.frogs}
    assert len({each.group for each in random.recordings}) == len(random.recordings)
    for each in made.recordings:
        assert soundfile.info(each.path).duration == pytest.approx(3.0, abs=1e-3)


def test_the_projects_plan_lists_every_recipe_without_teacher() -> None:
    train = Path(__file__).parents[3] / "train"
    listed = read_plan(train / "benchmark.yaml")
    # These need weights of others, or a teacher.
    others = {"teacher_yamnet.yaml", "large.yaml", "few.yaml", "student_distilled.yaml", "small.yaml"}
    recipes = {path.name for path in (train / "recipes").glob("*.yaml")}
    assert {entry.recipe.name for entry in listed.recipes} == recipes - others


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"typo": 1}, "typo"),
        ({"recipes": [{"recipe": "none.yaml"}]}, "No such file"),
        ({"recipes": [{"recipe": "tiny.yaml"}, {"recipe": "tiny.yaml"}]}, "listed twice"),
        ({"comparison": {"baseline": "other", "others": []}}, "not in the table"),
        ({"leakage": {"recipe": "tiny.yaml", "changes": {"steps": 0}}}, "steps"),
    ],
)
def test_an_invalid_plan_is_refused_before_training(plan: Path, change: dict, message: str) -> None:
    plan.write_text(yaml.safe_dump(yaml.safe_load(plan.read_text()) | change))
    with pytest.raises(ConfigError, match=message):
        read_plan(plan)
