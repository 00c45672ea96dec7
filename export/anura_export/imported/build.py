"""Builds a bundle from an ONNX classifier of another program: audio in, scores out."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import CARD, Bundle, sha256
from anura_edge.inference.manifest import Label, Manifest, Training
from anura_export.bundles.build import write_graph
from anura_export.bundles.onnx_graph import check_graph
from anura_export.bundles.parity import ParityProof
from anura_export.imported.activation import Activation
from anura_export.imported.graph import read_graph, to_window_graph
from anura_export.imported.labels import read_labels
from anura_export.imported.original import OriginalModel
from anura_train.training.folds import DEMO_FROG, write_golden_clip

NOT_COMMERCIAL = "-NC"
"""Part of the SPDX identifiers of licences without commercial use."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What an ONNX file does not say about a classifier."""

    rate_hz: int
    window_s: float
    hop_s: float | None = None
    """By default windows do not overlap."""
    activation: Activation = Activation.NONE
    output: str | None = None
    """Name of the output with the scores, if there are several."""
    threshold: float = 0.5
    licence: str = "NOASSERTION"
    """SPDX identifier; `NOASSERTION` if it is unknown."""
    is_commercial: bool = False
    """Refuse licences that forbid commercial use."""


def import_onnx(source: Path, labels: Path, options: ImportOptions, out: Path) -> tuple[Bundle, ParityProof]:
    """Write the bundle OUT. It is replaced only after the bundle has passed all checks.

    Raises ModelError if the graph is not a classifier of such windows, or its scores are not probabilities; ConfigError
    for wrong options or labels.
    """
    window_samples, hop_samples = _lengths(options)
    if options.is_commercial and NOT_COMMERCIAL in options.licence:
        raise ConfigError(f"the licence {options.licence} forbids commercial use; use another model")
    graph = read_graph(source, window_samples, options.output)
    names = read_labels(labels, options.threshold)
    original = OriginalModel(graph, options.activation, window_samples)
    _check_scores(source, labels, original(np.zeros((1, window_samples), np.float32)), len(names))
    draft = _manifest(source, names, options, window_samples, hop_samples)
    model = check_graph(to_window_graph(graph, window_samples, len(names), options.activation))
    with tempfile.TemporaryDirectory() as scratch:
        golden = Path(scratch) / "golden.flac"
        write_golden_clip(golden, DEMO_FROG, options.rate_hz)
        return write_graph(model, draft, {CARD: _card(draft, source)}, golden, out, original.check, source.name)


def _lengths(options: ImportOptions) -> tuple[int, int]:
    """Return the samples of a window and of a hop."""
    hop_s = options.window_s if options.hop_s is None else options.hop_s
    window_samples, hop_samples = round(options.window_s * options.rate_hz), round(hop_s * options.rate_hz)
    if not 8_000 <= options.rate_hz <= 384_000:
        raise ConfigError(f"--rate {options.rate_hz} is not a sampling rate from 8000 to 384000 Hz")
    if not 0 < hop_samples <= window_samples:
        raise ConfigError(f"--hop {hop_s:g} s must be more than 0 and at most --window {options.window_s:g} s")
    return window_samples, hop_samples


def _check_scores(source: Path, labels: Path, scores: FloatArray, count: int) -> None:
    if scores.shape[1] != count:
        raise ConfigError(f"{source} has {scores.shape[1]:,} scores, {labels} has {count:,} labels; use its own labels")
    if not np.isfinite(scores).all():
        raise ModelError(f"{source}: the scores of silence are not numbers; export the model again")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ModelError(
            f"{source}: scores from {scores.min():.3g} to {scores.max():.3g} are not probabilities; write --activation "
            "sigmoid, or softmax if exactly one label is present"
        )


def _manifest(
    source: Path, labels: tuple[Label, ...], options: ImportOptions, window_samples: int, hop_samples: int
) -> Manifest:
    name = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in source.stem.lower())
    return Manifest(
        id=name.strip("-")[:64] or "imported",
        version="1.0.0",
        title=source.stem,
        kind="window",
        labels=labels,
        rate_hz=options.rate_hz,
        window_samples=window_samples,
        hop_samples=hop_samples,
        receptive_field_samples=window_samples,
        licence=options.licence,
        training=Training(
            recipe=f"imported graph, SHA-256 {sha256(source.read_bytes())}",
            data=("unknown",),
            seed=0,
            calibration=f"{options.activation} of the graph's output; not calibrated",
        ),
        files={},
    )


def _card(manifest: Manifest, source: Path) -> str:
    sections = [
        f"# {manifest.title}\n\nLicence {manifest.licence}. Imported from `{source.name}`, which is ONNX.",
        f"## Labels\n\n{len(manifest.labels):,} labels. The threshold of each is {manifest.labels[0].threshold:g}.",
        "## Limits\n\nThe scores were not calibrated and the model was not evaluated here.",
        f"## Golden clip\n\n{DEMO_FROG.name}, {DEMO_FROG.attribution} ({DEMO_FROG.licence}), with added noise.",
    ]
    return "\n\n".join(sections) + "\n"
