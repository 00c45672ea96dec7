"""The page about faults names existing tests and options of the bench."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "faults.md").read_text(encoding="utf-8")


def test_each_test_on_the_page_exists() -> None:
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    existing = {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 30
    assert not named - existing


def test_each_bench_option_on_the_page_exists() -> None:
    help_text = subprocess.run(
        [sys.executable, ROOT / "bench" / "faults", "--help"], check=True, capture_output=True, text=True
    ).stdout
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert "--kills" in named
    assert named <= {*re.findall(r"--[a-z][a-z-]+", help_text)}
    for path in re.findall(r"`((?:bench|tests)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists()


def test_each_row_of_the_table_has_a_proof() -> None:
    rows = re.findall(r"^\| (?!fault |---)(.+) \|$", PAGE, re.MULTILINE)
    assert len(rows) > 20
    assert all("`" in row.split(" | ")[2] for row in rows)
