"""A model bundle: a folder with a model, its manifest, its card, and a clip with the scores it must give.

    model.onnx  manifest.json  MODEL_CARD.md  golden/clip.flac  golden/scores.npy

The graph takes waveform and gives calibrated probabilities; no feature code runs outside it. Both kinds have one
contract, float32 throughout:

    stream   audio [batch, samples], and each state -> probabilities [batch, rows, labels], and each `<state>_out`
             samples is a multiple of hop; states begin as zeros; row t speaks about the samples from t * hop to
             (t + 1) * hop, less the lookahead
    window   audio [batch, window_samples] -> probabilities [batch, labels]
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from anura_edge.errors import ModelError
from anura_edge.inference.signature import check_signature

MODEL, MANIFEST, CARD = "model.onnx", "manifest.json", "MODEL_CARD.md"
GOLDEN_CLIP, GOLDEN_SCORES = "golden/clip.flac", "golden/scores.npy"

DEFAULT_BUNDLE = Path(__file__).parents[1] / "bundles" / "frogs-eastern-north-america"
"""The one that comes along."""

GOLDEN_TOLERANCE = 1e-3
"""Largest change of a golden probability; torch and ONNX Runtime differ by about 1e-7, a wrong model by more."""

Probability = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    # A field that a newer bundle has and we do not know is left out: `schema_version` says when that is not enough.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Label(_Part):
    """One thing that the model can hear."""

    code: str = Field(pattern="^[A-Za-z0-9_-]{1,32}$")
    scientific_name: str
    common_name: str = ""
    threshold: Probability
    """Probability from which a call begins."""


class StateTensor(_Part):
    """A tensor that a stream model carries from one chunk to the next."""

    name: str
    shape: tuple[int, ...]
    """Without the batch dimension, which comes first."""


class Metric(_Part):
    """A measured figure, with its 95 % interval and how it was come by."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    protocol: str
    """Split, selection and number of recordings, in a sentence."""


class Training(_Part):
    """Where the weights come from."""

    recipe: str
    data: tuple[str, ...]
    """One line a data set: name, amount, licence."""
    seed: int
    calibration: str
    """How logits became probabilities, and on which predictions that was fitted."""


class ProbabilityChange(_Part):
    """By how much a label's probability differs between two models, over rows of scores."""

    largest: float
    p99: float
    """99 % of the rows differ by no more."""


class Parity(_Part):
    """How far a model's probabilities are from those of the one that it was made from."""

    against: str
    """What it was made from, as in `torch`, or `model.onnx` and the beginning of its SHA-256."""
    audio: str
    """What both have scored, in a sentence."""
    overall: ProbabilityChange
    labels: dict[str, ProbabilityChange]
    """By label code."""


class Cost(_Part):
    """What a model takes to run. Times belong to the machine that measured them; compare those of one machine."""

    ms_per_audio_s: float
    """Processor time, median of many calls on one thread: 10 s of a stream or one window at a time."""
    mmac_per_audio_s: float
    """Million multiply-adds."""
    model_bytes: int
    machine: str


class Manifest(_Part):
    """What a bundle says of itself. New optional fields may come; none is renamed."""

    schema_version: Literal[1] = 1
    id: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,63}$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str
    kind: Literal["stream", "window"]
    labels: tuple[Label, ...] = Field(min_length=1)
    rate_hz: int = Field(ge=8_000, le=384_000)
    window_samples: int = Field(gt=0)
    """Audio behind one row of scores: the window, or for a stream model the step."""
    hop_samples: int = Field(gt=0)
    """From one row of scores to the next."""
    lookahead_samples: int = Field(default=0, ge=0)
    """A row of a stream model speaks about sound that was there so much earlier, and has heard what followed it."""
    receptive_field_samples: int | None = None
    """How far back a row can see; none when a recurrent layer makes it unbounded."""
    states: tuple[StateTensor, ...] = ()
    licence: str
    """SPDX identifier."""
    training: Training
    metrics: tuple[Metric, ...] = ()
    precision: Literal["float32", "int8"] = "float32"
    """Of the weights and activations; where it is int8, some layers are still float32."""
    made_from: Sha256 | None = None
    """SHA-256 of the float model that an int8 one was made from."""
    golden_tolerance: float = Field(default=GOLDEN_TOLERANCE, gt=0, le=0.05)
    """Largest change of a golden probability on another machine: integers round a little differently there."""
    parity: Parity | None = None
    cost: Cost | None = None
    files: dict[Annotated[str, Field(pattern="^[A-Za-z0-9._/-]+$")], Sha256]
    """Every other file of the bundle, by its path in it."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len({label.code for label in self.labels}) < len(self.labels):
            raise ValueError("two labels have one code")
        if self.hop_samples > self.window_samples or (self.kind == "stream" and self.hop_samples < self.window_samples):
            raise ValueError("hop_samples of a stream model is its window_samples, of a window model at most that")
        if self.lookahead_samples % self.hop_samples or (self.kind == "window" and self.lookahead_samples):
            raise ValueError("lookahead_samples are whole steps of a stream model; a window model has none")
        return self


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are what its manifest says."""

    path: Path
    manifest: Manifest
    model: bytes
    """The ONNX graph, whole: tensors in other files are not loaded."""

    @property
    def model_sha256(self) -> str:
        """Identity of the model, written on every row that it makes."""
        return self.manifest.files[MODEL]

    def golden(self) -> tuple[Path, np.ndarray]:
        """Return the golden clip's path and the scores it must give, shape (rows, labels)."""
        return self.path / GOLDEN_CLIP, np.load(self.path / GOLDEN_SCORES, allow_pickle=False)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def load_bundle(path: Path, public_key_file: Path | None = None) -> Bundle:
    """Read a bundle and check every file against the manifest, and with a public key the manifest's signature.

    Raises ModelError, naming the file and what differs; ConfigError for a key that is none. That the model also gives
    its golden scores is for `anura_edge.inference.classifier` to check, which can run it.
    """
    manifest = _read_manifest(path, public_key_file)
    for name in (MODEL, CARD, GOLDEN_CLIP, GOLDEN_SCORES):
        if name not in manifest.files:
            raise ModelError(f"{path / MANIFEST} does not list {name}; export the bundle again")
    contents = {name: _read_checked(path, name, expected) for name, expected in manifest.files.items()}
    return Bundle(path, manifest, contents[MODEL])


def _read_manifest(path: Path, public_key_file: Path | None) -> Manifest:
    try:
        written = (path / MANIFEST).read_bytes()
        if public_key_file:  # before anything that is in it is believed
            check_signature(path, written, public_key_file)
        return Manifest.model_validate_json(written)
    except OSError as error:
        raise ModelError(f"no model bundle at {path}: {error.strerror} ({MANIFEST}); name a bundle's folder") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its JSON"
        raise ModelError(f"{path / MANIFEST}: {where}: {first['msg']}; export the bundle again") from error


def _read_checked(path: Path, name: str, expected: str) -> bytes:
    file = path / name
    if not file.resolve().is_relative_to(path.resolve()):
        raise ModelError(f"{path / MANIFEST} lists {name!r}, which lies outside the bundle; do not use this bundle")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror}; copy the bundle again") from error
    if (found := sha256(data)) != expected:
        raise ModelError(
            f"{file} is damaged: its SHA-256 is {found[:12]}..., the manifest says {expected[:12]}...; "
            "copy the bundle again"
        )
    return data


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a bundle's manifest, readable by people."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (path / MANIFEST).write_text(text + "\n", encoding="utf-8")
