"""Marks and borders are visible: their contrast with what is behind them is at least 3:1 (WCAG 2.2, 1.4.11)."""

import re
from importlib.resources import files

import pytest

MARKS = ["quiet", "green", "warn", "away", "hatch", "l1", "l2", "l3", "l4", "l5", "l6", "call", "i1", "i2", "i3", "sun"]
BACKGROUNDS = ["paper", "card"]


def colours(scheme: str) -> dict[str, str]:
    """Return the colours of a scheme by name; the dark scheme replaces some of the light ones."""
    found: dict[str, str] = {}
    for name in ("page.css", "charts.css"):
        text = (files("anura_base.web") / "static" / name).read_text(encoding="utf-8")
        for dark, block in re.findall(r"(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{([^}]*)\}", text):
            if scheme == "dark" or not dark:
                found.update(re.findall(r"--(\w+): (#\w{6})", block))
    return found


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_and_borders_are_visible(scheme: str) -> None:
    known = colours(scheme)
    pairs = {(mark, behind): contrast(known[mark], known[behind]) for mark in MARKS for behind in BACKGROUNDS}
    assert {pair: round(ratio, 2) for pair, ratio in pairs.items() if ratio < 3} == {}
    # A rate is never the colour of an empty page; the lowest ones have a border, too.
    assert all(contrast(known[f"h{step}"], known["card"]) >= 3 for step in range(4, 9))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
