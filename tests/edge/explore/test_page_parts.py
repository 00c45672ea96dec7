"""What the page is made of."""

import hashlib
import re

from anura_edge.explore.page import STATIC, content, head

VENDORED = STATIC / "vendor"


def test_what_is_vendored_is_what_its_list_says() -> None:
    told = (VENDORED / "VENDORED.txt").read_text()
    listed = dict(re.findall(r"^sha256 ([0-9a-f]{64})  (\S+)$", told, re.MULTILINE))
    files = {path.name: path for path in VENDORED.iterdir() if path.suffix in {".js", ".css"}}
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert {name: digest for digest, name in listed.items()} == found
    assert all((VENDORED / name).is_file() for name in re.findall(r"\((\S+\.LICENSE\.txt)\)", told))


def test_nothing_of_the_page_comes_from_elsewhere() -> None:
    for path in STATIC.glob("*"):
        if path.suffix in {".html", ".js", ".css"}:
            assert "://" not in path.read_text(), path.name


def test_a_root_and_a_token_are_put_in_as_text() -> None:
    hostile = '"><script>'
    for part in (head(hostile), content(hostile, hostile)):
        assert hostile not in part
    assert 'data-root="/frogs"' in content("/frogs", "")
    assert 'src="/frogs/static/explore/explore.js"' in head("/frogs")
