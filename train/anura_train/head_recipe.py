"""A recipe for a head on the embedding of a frozen network, which is fitted in closed form instead of by steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from anura_edge.config import yaml_loader
from anura_edge.config.yaml_loader import Section
from anura_train.models.settings import BirdnetSettings
from anura_train.recipe import BaseRecipe, Range, Recipe, read_values


class OverlaySettings(Section):
    """Mixtures of labelled windows with backgrounds as further examples (`heads/overlays.py`)."""

    per_window: int = Field(ge=1)
    """Mixtures for each window of a labelled recording."""
    max_windows: int = Field(ge=1)
    """Mixtures of a recording are limited to those of this many windows."""
    snr_db: Range
    """Power of the recording relative to the background, both over the whole window."""


class HeadSettings(Section):
    """How the head is fitted (`heads/fit.py`)."""

    kind: Literal["ridge", "published"] = "ridge"
    """`published` fits nothing: the scores are BirdNET's own."""
    prior: bool = True
    """Combine the head's score with BirdNET's own logit, for the labels that BirdNET has."""

    ridge: float = Field(default=1.0, gt=0)
    """Penalty of the ridge regression, relative to the mean variance of the features."""
    background_step: int = Field(default=3, ge=1)
    """Every n-th window of a background is an example: windows that overlap are much alike."""
    overlays: OverlaySettings | None = None


class HeadRecipe(BaseRecipe):
    """Everything that determines a head on a frozen network, from the seed to the final weights."""

    model: BirdnetSettings
    """The frozen network."""
    head: HeadSettings = HeadSettings()
    """The fit of the head."""

    @property
    def is_calibrated(self) -> bool:
        """The combination of the head's score with BirdNET's logit calibrates them."""
        return True


AnyRecipe = Recipe | HeadRecipe


def read_any_recipe(path: Path, variants: Sequence[str] = (), changes: Mapping[str, Any] | None = None) -> AnyRecipe:
    """Read a recipe of either kind; see `recipe.read_values`. ConfigError names the file, the key and the problem."""
    values, file = read_values(path, variants, changes)
    model = values.get("model")
    if isinstance(model, dict) and model.get("kind") == "birdnet":
        return yaml_loader.validate(HeadRecipe, values, file)
    return yaml_loader.validate(Recipe, values, file)
