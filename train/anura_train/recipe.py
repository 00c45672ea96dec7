"""A recipe: everything that decides what a model becomes, in one YAML file. An unknown key stops the start."""

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from anura_edge.errors import ConfigError
from anura_train.models.settings import ModelSettings, Share, Strict

Range = tuple[float, float]


class AugmentSettings(Strict):
    """How examples are made of recordings (`augment.py`)."""

    background_only: Share
    """Share of examples without a frog."""
    two_species: Share
    """Share of the others with a second species in them."""
    with_background: Share
    """Share of frog examples with background mixed in."""
    snr_db: Range
    """Call against background, both as mean power over the example."""
    level_dbfs: Range
    """Level of the finished example: recorders differ by 20 to 30 dB, distances by more."""
    speed: Range
    """Playback speed; pitch moves with it."""
    low_pass: Share
    """Share of frog recordings dulled as by distance, leaves or a narrow-band recorder."""
    mask_frames: int = Field(ge=0)
    mask_mels: int = Field(ge=0)
    """SpecAugment's widest masks (Park et al. 2019)."""


class Recipe(Strict):
    """One model, from seed to weights."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")
    title: str
    version: str
    seed: int
    folds: int = Field(ge=2, le=10)
    model: ModelSettings
    example_s: float = Field(gt=0)
    """Length of a training example."""
    batch: int = Field(ge=2)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    average: Share
    """Decay of the moving average of the weights, which is what is kept."""
    augment: AugmentSettings
    golden: str
    """Name of a freely licensed recording whose first seconds travel with the model as its test."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; ConfigError names the file, the key and what is wrong with it."""
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}; see train/recipes") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg']} (found {first['input']!r}); see train/recipes") from error
