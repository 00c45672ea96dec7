"""Codes of labels that have only a name."""

import re

MAX_CODE_LENGTH = 32
"""Limit of the manifest."""


def label_code(name: str) -> str:
    """Return a scientific name with hyphens, as in `Acris-crepitans`, at most 32 characters."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:MAX_CODE_LENGTH]
