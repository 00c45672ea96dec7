"""`make models` resumes: a stage that has finished is not repeated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = """#!/bin/sh
# Notes the command, and fails where it contains the text in the file `fails`.
echo "${0##*/} $*" >> commands
if [ -s fails ] && echo "$*" | grep -q "$(cat fails)"; then exit 3; fi
while [ $# -gt 1 ]; do
    [ "$1" = --out ] && { mkdir -p "$2"; touch "$2/manifest.json" "$2/screened.csv"; }
    shift
done
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with the Makefile and the recipes, and with commands that only note that they ran."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "train/recipes", tmp_path / "train/recipes")
    for name in ("data/yamnet", ".venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "wheel", ".venv/.ready"):
        (tmp_path / name).touch()
    for name in ("anura-train", "anura-export"):
        (tmp_path / ".venv/bin" / name).write_text(COMMAND)
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    return tmp_path


def make(project: Path, fails: str = "") -> tuple[int, list[str]]:
    """Run `make models`, with a command that fails; return the exit code and the commands that ran."""
    (project / "fails").write_text(fails)
    (project / "commands").write_text("")
    call = ["make", "models", "DATA=data", "BIRDNET=wheel"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(call, cwd=project, env=environment, capture_output=True, check=False, timeout=60)
    return done.returncode, (project / "commands").read_text().splitlines()


def test_interrupted_stages_go_on_and_finished_ones_are_skipped(project: Path) -> None:
    code, first = make(project, fails="distill --recipe train/recipes/small.yaml")
    assert code != 0
    code, second = make(project)
    assert code == 0
    assert second[0] == first[-1]  # the stage that failed
    assert not set(first[:-1]) & set(second)


def test_finished_models_are_compared_with_the_shipped_ones_only(project: Path) -> None:
    make(project)
    code, commands = make(project)
    assert code == 0
    assert [line.split(" --data")[0] for line in commands] == [
        "anura-export parity --bundle build/models/large --against default",
        "anura-export parity --bundle build/models/small --against small",
        "anura-export parity --bundle build/models/stream --against stream",
    ]


def test_changed_recipe_trains_its_model_and_its_student_again(project: Path) -> None:
    make(project)
    recipe = project / "train/recipes/teacher_yamnet.yaml"
    recipe.write_text(recipe.read_text() + "# changed\n")
    _, commands = make(project)
    trained = [line.split()[3] for line in commands if line.startswith(("anura-train fit", "anura-train distill"))]
    assert trained == ["train/recipes/teacher_yamnet.yaml", "train/recipes/student_distilled.yaml"]
