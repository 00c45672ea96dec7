"""A recipe: everything that decides what a model becomes, in one YAML file. An unknown key stops the start."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from anura_edge.errors import ConfigError
from anura_train.models.settings import ModelSettings, Share, Strict
from anura_train.models.window import WINDOW_S

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


class WindowSettings(Strict):
    """How examples are cut out of recordings (`windows.py`). Every change is made at random in a share of them."""

    hop_s: float = Field(default=1.0, gt=0)
    """From window to window of a recording; AnuraSet's is 1 s."""
    min_overlap_s: float = Field(default=0.0, ge=0, lt=3)
    """A boxed call counts in a window when more of it than this lies there; AnuraSet's is 0, so slivers count."""
    balanced: bool = False
    """Draw windows so that every label is as likely, instead of each window once an epoch."""
    gain_db: Range = (0.0, 0.0)
    stretched: Share = 0.0
    stretch: Range = (1.0, 1.0)
    """Tempo; pitch stays."""
    overlaid: Share = 0.0
    """With a window of another site, or of another group where sites are not known; both windows' species count."""
    overlay_snr_db: Range = (0.0, 0.0)
    mixed_up: Share = 0.0
    mixup: float = Field(default=1.0, gt=0)
    """Mixup (Zhang et al. 2018) of waveforms and targets by a share drawn from Beta(mixup, mixup)."""
    masked: Share = 1.0
    mask_frames: int = Field(default=0, ge=0)
    mask_mels: int = Field(default=0, ge=0)
    """SpecAugment's widest masks (Park et al. 2019)."""


class SurestRowsLoss(Strict):
    """Cross-entropy of the rows that are surest (`losses.weak_label_loss`)."""

    kind: Literal["surest_rows"] = "surest_rows"


class BceLoss(Strict):
    """Binary cross-entropy."""

    kind: Literal["bce"]
    max_pos_weight: float = Field(default=1.0, ge=1)
    """A label's presences weigh as much as its absences, up to so many times; above about 10 nothing is calibrated."""


class FocalLoss(Strict):
    """Focal loss (Lin et al. 2017)."""

    kind: Literal["focal"]
    gamma: float = Field(default=2.0, ge=0)


class AsymmetricLoss(Strict):
    """Asymmetric loss (Ridnik et al. 2021). Its scores are no probabilities until they are calibrated."""

    kind: Literal["asymmetric"]
    gamma_absent: float = Field(default=4.0, ge=0)
    gamma_present: float = Field(default=1.0, ge=0)
    clip: float = Field(default=0.05, ge=0, lt=1)


class LogitAdjustedLoss(Strict):
    """Cross-entropy that takes each label's prevalence as known (Menon et al. 2021)."""

    kind: Literal["logit_adjusted"]
    tau: float = Field(default=1.0, ge=0)


class BoxLoss(Strict):
    """Cross-entropy and Dice of the cells of a grid (`losses.box_loss`)."""

    kind: Literal["boxes"]
    pos_weight: float = Field(default=1.0, ge=1)
    dice: float = Field(default=1.0, ge=0)


LossSettings = Annotated[
    SurestRowsLoss | BceLoss | FocalLoss | AsymmetricLoss | LogitAdjustedLoss | BoxLoss, Field(discriminator="kind")
]


class LayerSettings(Strict):
    """Parameters that are learnt otherwise than the rest: those whose names begin with a text."""

    begins: str = Field(min_length=1)
    learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float | None = Field(default=None, ge=0)


class Distillation(Strict):
    """How a student learns from teachers (`distil.py`), which `anura-train distill` names."""

    hard: Share = 0.1
    """Share of the loss that comes from the labels; EfficientAT's (Schmid et al. 2023)."""


class EarlyStopping(Strict):
    """Keep the epoch with the best micro-F1 at 0.5 on a part of the recordings that is not learnt from."""

    share: float = Field(gt=0, lt=0.9)
    split: Literal["groups", "windows"]
    """By `windows`, neighbours that share two thirds of their sound lie on both sides: figures are far too good."""
    patience: int = Field(ge=1)
    """Epochs without a better one before training ends."""


class Recipe(Strict):
    """One model, from seed to weights."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")
    title: str
    version: str
    seed: int
    folds: int = Field(ge=2, le=100)
    fold_seed: int | None = None
    """How recordings are dealt to folds, where it is not by `seed`: several seeds can be tested on the same folds."""
    model: ModelSettings
    example_s: float = Field(gt=0)
    """Length of a training example."""
    joined: int = Field(default=1, ge=1)
    """So many examples follow one another in one stream: a network that remembers learns to forget."""
    batch: int = Field(ge=2)
    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    """Instead of steps: how often every window is learnt from."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    layers: tuple[LayerSettings, ...] = ()
    """Exceptions to the two above."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Longest gradient."""
    average: Share
    """Decay of the moving average of the weights, which is what is kept."""
    loss: LossSettings = SurestRowsLoss()
    augment: AugmentSettings | None = None
    windows: WindowSettings | None = None
    """Examples are mixed (`augment`) or cut (`windows`)."""
    early_stopping: EarlyStopping | None = None
    distil: Distillation | None = None
    rounded: Share = 0.0
    """Share of the steps, the last ones, that learn with the integers of the device (`rounding.py`)."""
    golden: str | None = None
    """Name of a freely licensed recording whose first seconds travel with the model as its test; the first by name."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.augment is None) == (self.windows is None):
            raise ValueError("a recipe has either `augment` or `windows`")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a recipe has either `steps` or `epochs`")
        if self.augment and (self.epochs or self.early_stopping):
            raise ValueError("mixed examples have no epochs; use `steps`, without `early_stopping`")
        if self.model.kind != "stream" and self.example_s != WINDOW_S:
            raise ValueError(f"a window model learns from examples of {WINDOW_S} s; set example_s")
        if self.model.kind == "stream" and self.windows and self.example_s != WINDOW_S:
            raise ValueError(f"windows are {WINDOW_S} s long; set example_s")
        if self.batch % self.joined:
            raise ValueError("`batch` is no multiple of `joined`; change one of them")
        if self.model.kind != "stream" and self.joined > 1:
            raise ValueError("windows are heard one by one; leave out `joined`")
        if isinstance(self.loss, BoxLoss) and (self.model.kind != "crnn" or not self.windows or self.windows.stretched):
            raise ValueError("the loss of boxes takes a model of kind crnn and `windows` that are not stretched")
        return self

    @property
    def split_seed(self) -> int:
        """The seed of the split into folds."""
        return self.seed if self.fold_seed is None else self.fold_seed

    def written(self) -> str:
        """Return the recipe as JSON, as it was written: without what it leaves to the defaults."""
        return self.model_dump_json(exclude_unset=True)


def read_recipe(path: Path, variants: Sequence[str] = (), changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe, changed by variants that it names; ConfigError names the file, the key and what is wrong with it.

    `variants:` holds parts of recipes by name. They are laid over the rest one after the other, and their names join
    the recipe's id and title. `changes`, such as a smaller budget, are laid over all of it.
    """
    values, known = _read(path)
    for name in variants:
        if name not in known:
            raise ConfigError(f"{path} has no variant {name!r}; it has {', '.join(known) or 'none'}")
        values = _laid_over(values, known[name] or {})
        values |= {"id": f"{values.get('id')}-{name}", "title": f"{values.get('title')}, {name}"}
    try:
        return Recipe.model_validate(_laid_over(values, changes or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        found = f" (found {first['input']!r})" if first["loc"] else ""
        raise ConfigError(f"{path}: {where}: {first['msg']}{found}; see train/recipes") from error


def variants_of(path: Path) -> tuple[str, ...]:
    """Return the names of a recipe's variants; ConfigError when the file is no recipe."""
    return tuple(_read(path)[1])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file says, and its variants."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}; see train/recipes") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(values, dict) or not isinstance(known := values.pop("variants", {}), dict):
        raise ConfigError(f"{path} is no recipe; see train/recipes")
    return values, known


def _laid_over(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Replace values by name, in parts of a recipe too."""
    both = {key for key in changes if isinstance(changes[key], dict) and isinstance(values.get(key), dict)}
    return values | {key: _laid_over(values[key], new) if key in both else new for key, new in changes.items()}
