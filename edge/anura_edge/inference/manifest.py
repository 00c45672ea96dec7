"""The manifest of a model bundle, `manifest.json`: what the bundle contains and how its model was made.

The graph takes audio and returns calibrated probabilities; no feature code runs outside it. All tensors are float32:

    stream   audio [batch, samples] and each state -> probabilities [batch, frames, labels] and each `<state>_out`.
             samples is a multiple of the hop; states begin as zeros; frame t describes the samples from t * hop to
             (t + 1) * hop, minus the lookahead
    window   audio [batch, window_samples] -> probabilities [batch, labels]
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anura_edge.config.analysis import Preset

GOLDEN_TOLERANCE = 1e-3
"""Largest allowed change of a golden probability. torch and ONNX Runtime differ by 1e-7, a wrong model by more."""

Probability = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


WEEKS = 48
"""Weeks of a year in BirdNET's range model: four in each month."""


class _ManifestPart(BaseModel):
    # Unknown fields of newer bundles are ignored. `schema_version` tells when they must not be ignored.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Label(_ManifestPart):
    """A class of the model, with its names and its threshold."""

    code: str = Field(pattern="^[A-Za-z0-9_-]{1,32}$")
    """Short name, as in PSECRU. Settings and clip names use it."""
    scientific_name: str
    """Scientific name of the species."""
    common_name: str = ""
    """Common name of the species."""
    threshold: Probability
    """Score at which an event begins, with the preset `default`."""
    sensitive: Probability | None = None
    """Threshold of the preset `sensitive`: fewer missed calls, more false alarms. None: as `threshold`."""
    strict: Probability | None = None
    """Threshold of the preset `strict`: fewer false alarms, more missed calls. None: as `threshold`."""
    is_reliable: bool = True
    """False if the data did not suffice to measure that the threshold gives the promised precision."""
    week_scores: tuple[Probability, ...] = ()
    """How likely the species is at the place of the bundle in each of 48 weeks of the year, four in each month. Empty
    if that is unknown. `detect.range` uses it."""

    def threshold_of(self, preset: Preset) -> float:
        """Return the threshold of a preset."""
        own = {"default": self.threshold, "sensitive": self.sensitive, "strict": self.strict}[preset]
        return self.threshold if own is None else own

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        if not self.threshold_of("sensitive") <= self.threshold <= self.threshold_of("strict"):
            raise ValueError(f"{self.code}: the thresholds do not ascend from sensitive to threshold to strict")
        if len(self.week_scores) not in (0, WEEKS):
            raise ValueError(f"{self.code}: week_scores has {len(self.week_scores)} values, not {WEEKS}")
        return self


class StateTensor(_ManifestPart):
    """A tensor that a stream model carries from one block to the next."""

    name: str
    """Name of the graph's input. The output is `<name>_out`."""
    shape: tuple[int, ...]
    """Without the batch dimension, which comes first."""


class Metric(_ManifestPart):
    """A measured figure with its 95 % interval and its protocol."""

    name: str
    """Name of the metric, as in mAP."""
    value: float
    """The measured figure."""
    low: float | None = None
    """Lower end of the 95 % interval."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    unit: str = ""
    """Unit of the figure, if it has one."""
    protocol: str
    """Split, selection and number of recordings, in a sentence."""


class Training(_ManifestPart):
    """How the weights were trained."""

    recipe: str
    """Id of the recipe."""
    data: tuple[str, ...]
    """One line per data set: name, amount, licence."""
    seed: int
    """Seed of all random numbers of the training."""
    calibration: str
    """How logits became probabilities, and on which predictions the calibration was fitted."""


class ProbabilityChange(_ManifestPart):
    """Difference of a label's probability between two models, over frames."""

    largest: float
    """Largest difference of all frames."""
    p99: float
    """99 % of the frames differ by no more."""


class Parity(_ManifestPart):
    """How much a model's probabilities differ from those of the model that it was made from."""

    against: str
    """The original, as in `torch`, or `model.onnx` and the beginning of its SHA-256."""
    audio: str
    """The audio that both models scored, in a sentence."""
    overall: ProbabilityChange
    labels: dict[str, ProbabilityChange]
    """By label code. Empty for a model with more than 200 labels."""


class Cost(_ManifestPart):
    """Resources that a model needs. Times depend on the machine; compare only those of one machine."""

    ms_per_audio_s: float
    """Processor time, median of many calls on one thread: 10 s of a stream or one window at a time."""
    mmac_per_audio_s: float
    """Million multiply-adds."""
    model_bytes: int
    """Size of `model.onnx`."""
    machine: str
    """Processor on which the time was measured."""


class Manifest(_ManifestPart):
    """Content of a bundle. New optional fields may be added; none is renamed."""

    schema_version: Literal[1] = 1
    """Version of this format. A reader refuses another one."""
    id: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")
    """Name of the model: small letters, digits and `-`. It is part of every row."""
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Version of the model, as in 1.0.0. It is part of every row."""
    title: str
    """Name for people."""
    kind: Literal["stream", "window"]
    """`stream`: the model carries states from block to block. `window`: it scores windows one by one."""
    labels: tuple[Label, ...] = Field(min_length=1)
    """The classes of the model, in the order of its outputs."""
    rate_hz: int = Field(ge=8_000, le=384_000)
    """Sampling rate of the model's input."""
    window_samples: int = Field(gt=0)
    """Samples that a frame describes: the window, or for a stream model the hop."""
    hop_samples: int = Field(gt=0)
    """Samples from the start of one frame to the start of the next."""
    lookahead_samples: int = Field(default=0, ge=0)
    """A frame of a stream model describes audio that is this much older: the model has seen what followed it."""
    averaged_frames: int = Field(default=1, ge=1)
    """The device uses the mean score of so many adjacent frames of a window model: an odd number, the frame itself in
    the middle. Thresholds are for these means; the golden scores are those of single frames."""
    receptive_field_samples: int | None = None
    """How far back a frame can see. None if a recurrent layer makes it unlimited."""
    states: tuple[StateTensor, ...] = ()
    """The states of a stream model, in the order of the graph's inputs."""
    licence: str
    """SPDX identifier."""
    training: Training
    metrics: tuple[Metric, ...] = ()
    """Measured accuracy, for people."""
    precision: Literal["float32", "int8", "int8-weights"] = "float32"
    """Of weights and activations. In an int8 model some layers are still float32. `int8-weights`: only the weights
    are stored as int8, and the runtime calculates in float32."""
    made_from: Sha256 | None = None
    """SHA-256 of the float model that an int8 model was made from."""
    golden_tolerance: float = Field(default=GOLDEN_TOLERANCE, gt=0, le=0.05)
    """Largest allowed change of a golden probability on another machine: integers are rounded differently there."""
    parity: Parity | None = None
    cost: Cost | None = None
    files: dict[Annotated[str, Field(pattern="^[A-Za-z0-9._/-]+$")], Sha256]
    """Every other file of the bundle, by its path in the bundle."""

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if len({label.code for label in self.labels}) < len(self.labels):
            raise ValueError("two labels have the same code")
        if self.hop_samples > self.window_samples or (self.kind == "stream" and self.hop_samples < self.window_samples):
            raise ValueError("hop_samples must equal window_samples in a stream model, and not exceed it in others")
        if self.lookahead_samples % self.hop_samples or (self.kind == "window" and self.lookahead_samples):
            raise ValueError("lookahead_samples must be a multiple of hop_samples, and 0 in a window model")
        if self.averaged_frames % 2 == 0 or (self.kind == "stream" and self.averaged_frames > 1):
            raise ValueError("averaged_frames must be odd, and 1 in a stream model")
        return self
