"""Sizes, names and folders of the four packages stay within the limits that CONTRIBUTING.md states."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / each / f"anura_{each}" for each in ("edge", "base", "train", "export")]
MODULES = [module for package in PACKAGES for module in sorted(package.rglob("*.py"))]

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 50
MAX_TOP_MODULES = 10
LONG_FUNCTIONS = {"fit"}
"""The training loop reads best as one function."""


def functions(module: Path) -> Iterator[tuple[str, int]]:
    """Return the name and the length of each function without its docstring, in lines."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno
            yield node.name, node.end_lineno - first.lineno + 1


def length(module: Path) -> int:
    return len(module.read_text(encoding="utf-8").splitlines())


def test_modules_are_short() -> None:
    assert [f"{module}: {length(module)}" for module in MODULES if length(module) > MAX_MODULE_LINES] == []
    assert median(length(module) for module in MODULES if module.name != "__init__.py") <= 120


def test_functions_are_short() -> None:
    lengths = [(f"{module}: {name}", lines) for module in MODULES for name, lines in functions(module)]
    too_long = [where for where, lines in lengths if lines > MAX_FUNCTION_LINES]
    assert [where for where in too_long if where.split(": ")[1] not in LONG_FUNCTIONS] == []
    assert median(lines for _, lines in lengths) <= 8


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_top_of_a_package_has_few_modules(package: Path) -> None:
    assert len(list(package.glob("*.py"))) <= MAX_TOP_MODULES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_class_name_is_used_once_in_a_package(package: Path) -> None:
    places = defaultdict(list)
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(module.relative_to(package)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
