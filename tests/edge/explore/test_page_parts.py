"""The page's fragments and vendored files."""

import hashlib
import re

from anura_edge.explore.page import STATIC, content, head

VENDORED = STATIC / "vendor"


def test_vendored_files_match_their_hashes() -> None:
    text = (VENDORED / "VENDORED.txt").read_text()
    listed = dict(re.findall(r"^sha256 ([0-9a-f]{64})  (\S+)$", text, re.MULTILINE))
    files = {path.name: path for path in VENDORED.iterdir() if path.suffix in {".js", ".css"}}
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert {name: digest for digest, name in listed.items()} == found
    assert all((VENDORED / name).is_file() for name in re.findall(r"\((\S+\.LICENSE\.txt)\)", text))


def test_page_loads_nothing_from_other_sites() -> None:
    for path in STATIC.glob("*"):
        if path.suffix in {".html", ".js", ".css"}:
            assert "://" not in path.read_text(), path.name


def test_root_and_token_are_escaped() -> None:
    hostile = '"><script>'
    for part in (head(hostile), content(hostile, hostile)):
        assert hostile not in part
    assert 'data-root="/frogs"' in content("/frogs", "")
    assert 'src="/frogs/static/explore/explore.js"' in head("/frogs")
