"""The Containerfiles and the compose file follow the rules of hadolint (DL numbers) and our own."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy").rglob("*Containerfile"))
PINNED = re.compile(r"^[\w.-]+\.[a-z]+/[\w./-]+:r?\d+\.\d+[\w.-]*$")
"""A registry, a name, and a version of at least two numbers (DL3006, DL3007, DL3026)."""


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return the instructions with their arguments, in which each continued line is one line."""
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_containerfile_is_pinned_small_and_without_root(file: Path) -> None:
    lines = instructions(file)
    for name, text in lines:
        assert name in {
            "FROM",
            "WORKDIR",
            "COPY",
            "RUN",
            "ENV",
            "VOLUME",
            "USER",
            "ENTRYPOINT",
            "CMD",
        }  # no ADD: DL3020
        if name == "FROM":
            assert PINNED.match(text.split()[0]), text
        if name == "WORKDIR":
            assert text.startswith("/"), "DL3000"
        if name == "RUN":
            assert not re.search(r"\bsudo\b|\bcurl\b|\bwget\b|\|", text), "DL3004, DL4006: no pipe, no download"
            if "apt-get install" in text:
                assert "--no-install-recommends" in text, "DL3015"
                assert "rm -rf /var/lib/apt/lists/*" in text, "DL3009"
            assert text.count("pip install") == text.count("pip install --no-cache-dir"), "DL3042"
    last = dict(lines)
    assert last["USER"].split(":")[0] not in ("0", "root"), "DL3002"
    assert last["ENTRYPOINT"].startswith("["), "DL3025"
    assert last["CMD"].startswith("["), "DL3025"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert yaml.safe_load(last["ENTRYPOINT"])[0].rpartition("/")[2] in project["scripts"]


def test_build_context_has_what_the_wheel_needs_and_nothing_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {path.partition("/")[0] for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    needed = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", *packages}
    assert ignored[0] == "*"
    assert {f"!{name}" for name in needed} <= set(ignored)


def test_compose_file_is_pinned_and_without_rights() -> None:
    folder = ROOT / "deploy" / "base"
    compose = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "privileged" not in service, name
        assert PINNED.match(service["image"]) if "image" in service else (folder / service["build"]["context"]).exists()
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (folder / source).exists() if source.startswith(".") else source in compose["volumes"]
