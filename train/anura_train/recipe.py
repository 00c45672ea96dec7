"""A recipe: one YAML file that defines one training. An unknown key is refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from anura_edge.config import yaml_loader, yaml_text
from anura_edge.config.yaml_loader import Section
from anura_edge.config.yaml_text import YamlFile
from anura_edge.errors import ConfigError
from anura_train.models.settings import ModelSettings, Share
from anura_train.models.window import WINDOW_S

Range = tuple[float, float]
"""Smallest and largest value of a uniform distribution."""


class AugmentSettings(Section):
    """How examples are mixed from calls and backgrounds (`batches/mixer.py`)."""

    background_only: Share
    """Share of examples without a frog."""
    two_species: Share
    """Share of the other examples with a second species in them."""
    with_background: Share
    """Share of frog examples that a background is mixed into."""
    snr_db: Range
    """Mean power of the call relative to the background, both over the whole example."""
    level_dbfs: Range
    """Level of the finished example: recorders differ by 20 to 30 dB, distances by more."""
    speed: Range
    """Factor of the playback speed; the pitch changes with it."""
    low_pass: Share
    """Share of frog recordings that pass a low-pass filter, as distance, leaves or a narrow-band recorder would do."""
    mask_frames: int = Field(ge=0)
    """Largest width of SpecAugment's masks in time, in frames (Park et al. 2019)."""
    mask_mels: int = Field(ge=0)
    """Largest width of SpecAugment's masks in frequency, in mel bands."""


class WindowSettings(Section):
    """How windows are cut out of recordings and augmented (`batches/windows.py`)."""

    hop_s: float = Field(default=1.0, gt=0)
    """Distance between the starts of two windows of a recording; AnuraSet's is 1 s."""
    min_overlap_s: float = Field(default=0.0, ge=0, lt=3)
    """A box labels a window when more than this part of it lies inside. AnuraSet's is 0, so any part counts."""
    balanced: bool = False
    """Draw windows so that all labels are equally likely, instead of using each window once an epoch."""
    gain_db: Range = (0.0, 0.0)
    """Change of an example's level."""
    stretch_share: Share = 0.0
    """Share of examples whose tempo is changed; the pitch stays."""
    stretch_factor: Range = (1.0, 1.0)
    """Factor of the tempo."""
    overlay_share: Share = 0.0
    """Share of examples that a second window is added to, from another site, or another group where no site is known.
    The species of both windows count."""
    overlay_snr_db: Range = (0.0, 0.0)
    """Power of the first window relative to the second."""
    mixup_share: Share = 0.0
    """Share of examples with mixup (Zhang et al. 2018): a weighted mean of the waveforms and of the targets of two."""
    mixup_alpha: float = Field(default=1.0, gt=0)
    """The weight of the first is drawn from Beta(mixup_alpha, mixup_alpha)."""
    mask_share: Share = 1.0
    """Share of examples that SpecAugment masks."""
    mask_frames: int = Field(default=0, ge=0)
    """Largest width of SpecAugment's masks in time, in frames (Park et al. 2019)."""
    mask_mels: int = Field(default=0, ge=0)
    """Largest width of SpecAugment's masks in frequency, in mel bands."""


class TopKPoolingLoss(Section):
    """Cross-entropy of the frames with the highest scores (`training/losses.weak_label_loss`)."""

    kind: Literal["topk_pooling"] = "topk_pooling"


class BceLoss(Section):
    """Binary cross-entropy."""

    kind: Literal["bce"]
    max_pos_weight: float = Field(default=1.0, ge=1)
    """Largest weight of a label's positive examples. Up to this limit they weigh as much together as its negative
    examples. Above about 10 the scores are no longer calibrated."""


class FocalLoss(Section):
    """Focal loss (Lin et al. 2017)."""

    kind: Literal["focal"]
    gamma: float = Field(default=2.0, ge=0)
    """Larger values give easy examples less weight; 0 is binary cross-entropy."""


class AsymmetricLoss(Section):
    """Asymmetric loss (Ridnik et al. 2021). Its scores are not probabilities before calibration."""

    kind: Literal["asymmetric"]
    gamma_absent: float = Field(default=4.0, ge=0)
    """Focusing parameter of absent labels. Larger values give easy ones less weight."""
    gamma_present: float = Field(default=1.0, ge=0)
    """Focusing parameter of present labels."""
    clip: float = Field(default=0.05, ge=0, lt=1)
    """Probabilities of absent labels below this value cause no loss."""


class LogitAdjustedLoss(Section):
    """Cross-entropy with logits that are shifted by each label's prevalence (Menon et al. 2021)."""

    kind: Literal["logit_adjusted"]
    tau: float = Field(default=1.0, ge=0)
    """Strength of the shift; 0 is binary cross-entropy."""


class BoxLoss(Section):
    """Cross-entropy and Dice loss of the cells of a grid (`training/losses.box_loss`)."""

    kind: Literal["boxes"]
    pos_weight: float = Field(default=1.0, ge=1)
    """Weight of cells inside a box relative to the others."""
    dice_weight: float = Field(default=1.0, ge=0)
    """Weight of the Dice loss relative to the cross-entropy."""


LossSettings = Annotated[
    TopKPoolingLoss | BceLoss | FocalLoss | AsymmetricLoss | LogitAdjustedLoss | BoxLoss, Field(discriminator="kind")
]


class ParameterGroup(Section):
    """Optimizer settings for the parameters whose names begin with a prefix."""

    prefix: str = Field(min_length=1)
    """Beginning of the parameters' names."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Learning rate of the group; by default that of the recipe."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Weight decay of the group; by default that of the recipe."""


class DistillationSettings(Section):
    """How a student learns from the teachers that `anura-train distill` names (`training/distillation.py`)."""

    label_weight: Share = 0.1
    """Weight of the loss against the labels; the rest is the loss against the teachers. EfficientAT uses 0.1 (Schmid
    et al. 2023)."""


class EarlyStoppingSettings(Section):
    """Use the weights of the epoch with the best micro-F1 (threshold 0.5) on validation windows."""

    validation_share: float = Field(gt=0, lt=0.9)
    """Share of the recordings, or of the windows, that is used for validation instead of training."""
    split: Literal["groups", "windows"]
    """What is split as a whole. With `windows`, neighbours that share two thirds of their audio are on both sides, and
    the figures are far too good."""
    patience: int = Field(ge=1)
    """Training ends after this many epochs without an improvement."""


class BaseRecipe(Section):
    """What the recipes of all trainings have."""

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")
    """Name of the model: small letters, digits and `-`. It becomes the bundle's id."""
    title: str
    """Name for people."""
    version: str
    """Version of the model, as in 1.0.0."""
    seed: int
    """Seed of all random numbers."""
    folds: int = Field(ge=2, le=100)
    """Number of folds of the cross-validation."""
    fold_seed: int | None = None
    """Seed of the split into folds, if it is not `seed`: several seeds can be tested on the same folds."""
    model: ModelSettings
    """The network."""
    fixed_threshold: float | None = Field(default=None, gt=0, lt=1)
    """Threshold of every label, as for a published model; by default thresholds are chosen by target
    (`evaluation/operating_points.py`)."""
    golden_clip: str | None = None
    """Name of a recording under a free licence; its first seconds become the bundle's golden clip. If the data do not
    have it, it is the first such recording in order of names, or a frog of the demo card."""

    @property
    def is_calibrated(self) -> bool:
        """Whether the network calibrates its own logits, so that evaluation must not."""
        return False

    @property
    def split_seed(self) -> int:
        """The seed of the split into folds."""
        return self.seed if self.fold_seed is None else self.fold_seed

    def to_json(self) -> str:
        """Return the recipe as JSON, without the keys that have their default."""
        return self.model_dump_json(exclude_unset=True)


class Recipe(BaseRecipe):
    """Everything that determines a model, from the seed to the final weights."""

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "joined": "sequence_length",
        "batch": "batch_size",
        "layers": "parameter_groups, with `prefix` in place of `begins`",
        "average": "ema_decay",
        "distil": "distillation, with `label_weight` in place of `hard`",
        "rounded": "qat_share",
        "golden": "golden_clip",
        "model.ast.spread": "model.std",
        "model.cnn.features.mel.spread_db": "model.features.std_db",
        "loss.boxes.dice": "loss.dice_weight",
        "windows.stretched": "windows.stretch_share",
        "windows.stretch": "windows.stretch_factor",
        "windows.overlaid": "windows.overlay_share",
        "windows.mixed_up": "windows.mixup_share",
        "windows.mixup": "windows.mixup_alpha",
        "windows.masked": "windows.mask_share",
        "early_stopping.share": "early_stopping.validation_share",
    }

    example_s: float = Field(gt=0)
    """Length of a training example."""
    sequence_length: int = Field(default=1, ge=1)
    """Number of consecutive examples in one stream, so that a recurrent network learns to reset its state."""
    stored_examples: int | None = Field(default=None, ge=100)
    """Make this many mixed examples once, store a teacher's scores and the features of a small network, and draw from
    them. Otherwise each step makes new examples."""
    batch_size: int = Field(ge=2)
    """Number of examples per step. Larger batches need more memory."""
    steps: int | None = Field(default=None, ge=1)
    """Length of the training in steps, instead of epochs."""
    epochs: int | None = Field(default=None, ge=1)
    """Instead of steps: how often each window is used."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    """Optimizer: `adamw` decouples the weight decay from the gradient (Loshchilov and Hutter 2019)."""
    schedule: Literal["one_cycle", "cosine", "constant"] = "one_cycle"
    """Course of the learning rate. `one_cycle` and `cosine` end near 0."""
    learning_rate: float = Field(gt=0)
    """Largest learning rate."""
    weight_decay: float = Field(ge=0)
    """Weight decay of all parameters that are in no parameter group."""
    parameter_groups: tuple[ParameterGroup, ...] = ()
    """Parameters with another learning rate or weight decay."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    ema_decay: Share
    """Decay of the exponential moving average of the weights. The average is the result of the training."""
    loss: LossSettings = TopKPoolingLoss()
    """The loss against the labels."""
    augment: AugmentSettings | None = None
    windows: WindowSettings | None = None
    """Examples are either mixed (`augment`) or cut (`windows`)."""
    early_stopping: EarlyStoppingSettings | None = None
    distillation: DistillationSettings | None = None
    qat_share: Share = 0.0
    """Share of the steps, at the end, with quantization-aware training (`training/qat.py`)."""

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if (self.augment is None) == (self.windows is None):
            raise ValueError("a recipe has either `augment` or `windows`")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a recipe has either `steps` or `epochs`")
        if bool(self.stored_examples) != (self.model.kind == "small_birdnet"):
            raise ValueError("`stored_examples` belongs to a model of the kind small_birdnet, which needs it")
        if self.stored_examples and not (self.augment and self.distillation):
            raise ValueError("`stored_examples` needs `augment` and `distillation`")
        if self.augment and (self.epochs or self.early_stopping):
            raise ValueError("mixed examples have no epochs; use `steps`, without `early_stopping`")
        if self.model.kind != "stream" and self.example_s != WINDOW_S:
            raise ValueError(f"a window model takes examples of {WINDOW_S} s; set example_s")
        if self.model.kind == "stream" and self.windows and self.example_s != WINDOW_S:
            raise ValueError(f"windows are {WINDOW_S} s long; set example_s")
        if self.batch_size % self.sequence_length:
            raise ValueError("`batch_size` is not a multiple of `sequence_length`; change one of them")
        if self.model.kind != "stream" and self.sequence_length > 1:
            raise ValueError("a window model scores windows one by one; remove `sequence_length`")
        has_boxes = self.model.kind == "crnn" and self.windows and not self.windows.stretch_share
        if isinstance(self.loss, BoxLoss) and not has_boxes:
            raise ValueError("the loss `boxes` needs a model of kind crnn, and `windows` without stretch_share")
        return self


def read_recipe(path: Path, variants: Sequence[str] = (), changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe of a training by steps; see `read_values`. ConfigError names the file, the key and the problem."""
    return yaml_loader.validate(Recipe, *read_values(path, variants, changes))


def read_values(
    path: Path, variants: Sequence[str] = (), changes: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], YamlFile]:
    """Read a recipe's values, with variants and changes merged into them, and the file. Nothing is validated.

    `variants:` in the file maps names to parts of a recipe. The named ones are merged in order, and their names are
    appended to the recipe's id and title. `changes`, such as a smaller number of steps, are merged last. ConfigError
    for a file that cannot be read, and for an unknown variant.
    """
    file = yaml_text.read(path)
    defined = _variants(file)
    values = {key: value for key, value in file.values.items() if key != "variants"}
    for name in variants:
        if name not in defined:
            raise ConfigError(f"{path} has no variant {name!r}; it has {', '.join(defined) or 'none'}")
        values = _merge(values, defined[name] or {})
        values |= {"id": f"{values.get('id')}-{name}", "title": f"{values.get('title')}, {name}"}
    return _merge(values, changes or {}), file


def variant_names(path: Path) -> tuple[str, ...]:
    """Return the names of a recipe's variants; ConfigError when the file is not a recipe."""
    return tuple(_variants(yaml_text.read(path)))


def _variants(file: YamlFile) -> Mapping[str, Any]:
    variants = file.values.get("variants", {})
    if not isinstance(variants, dict):
        raise ConfigError(f"{file.path}: `variants` is not a mapping of names to parts of a recipe; see train/recipes")
    return variants


def _merge(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with the changes in place of the old ones; nested mappings are merged key by key."""
    nested = {key for key in changes if isinstance(changes[key], dict) and isinstance(values.get(key), dict)}
    return values | {key: _merge(values[key], new) if key in nested else new for key, new in changes.items()}
