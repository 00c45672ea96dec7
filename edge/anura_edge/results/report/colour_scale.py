"""Colour scale for calling rates. The colours are in the style sheets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STEPS = 8
"""Each step is twice the one before, because calling rates span orders of magnitude."""


@dataclass(frozen=True, slots=True)
class ColourScale:
    """Steps from zero to the highest rate."""

    top: float
    """Upper end of the last step, a round number. 0 if there are no calls."""

    @property
    def bounds(self) -> Sequence[float]:
        """Upper end of each step."""
        return [self.top / 2 ** (STEPS - number) for number in range(1, STEPS + 1)]

    def css_class(self, rate: float | None) -> str:
        """Return the CSS class of a rate: `none` for unsampled, `h0` for no call, `h1` to `h8`."""
        if rate is None:
            return "none"
        if rate <= 0 or self.top <= 0:
            return "h0"
        step = STEPS + math.ceil(math.log2(rate / self.top) - 1e-9)
        return f"h{min(max(step, 1), STEPS)}"


def colour_scale(highest: float) -> ColourScale:
    """Return the scale whose top is the next number of 1, 2, 5, 10, 20, ... above the highest rate."""
    if highest <= 0:
        return ColourScale(0.0)
    power = 10.0 ** math.floor(math.log10(highest))
    return ColourScale(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= highest * (1 - 1e-9)))
