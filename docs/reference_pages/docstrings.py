"""Read the docstrings below fields and constants, which Python itself discards."""

import ast
import inspect
import textwrap
from itertools import pairwise


def attribute_docs(cls: type) -> dict[str, str]:
    """Return the docstring of each documented attribute of a class and its bases, as one line."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("anura_"):
            docs |= _own_docs(base)
    return docs


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a docstring, as one line."""
    return one_line((text or "").strip().partition("\n\n")[0])


def one_line(text: str) -> str:
    """Join the lines of a text."""
    return " ".join(text.split())


def _own_docs(cls: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    statements = definition.body if isinstance(definition, ast.ClassDef) else []
    docs = {}
    for statement, following in pairwise(statements):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = one_line(text)
    return docs
