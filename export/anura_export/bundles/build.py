"""Builds a bundle from a checkpoint and its evaluation, and checks it before it replaces an old one."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import (
    CARD,
    GOLDEN_CLIP,
    GOLDEN_SCORES,
    MANIFEST,
    MODEL,
    Bundle,
    load_bundle,
    sha256,
    write_manifest,
)
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import open_model
from anura_edge.inference.manifest import Label, Manifest, StateTensor, Training
from anura_export.benchmark.cost import cost_of, time_interleaved
from anura_export.bundles.difference import summarise_parity
from anura_export.bundles.int8_weights import has_int8_weights, store_as_int8
from anura_export.bundles.model_card import documents, exported_section
from anura_export.bundles.onnx_graph import check_graph, to_onnx, with_calibration
from anura_export.bundles.parity import ParityProof, check_parity
from anura_train.checkpoints.final import GOLDEN, Checkpoint, load_checkpoint
from anura_train.evaluation.shipped import ShippedReport, load_shipped_report
from anura_train.models import Net
from anura_train.models.stream import StreamNet
from anura_train.models.window import WindowNet
from anura_train.recipe import BaseRecipe


def export_bundle(trained: Path, out: Path) -> tuple[Bundle, ParityProof]:
    """Write the bundle OUT from the output folder of `anura-train fit` and `evaluate`.

    OUT is replaced only after the bundle has passed all checks. Raises ModelError when it fails.
    """
    checkpoint, report = load_checkpoint(trained), load_shipped_report(trained)
    model = with_calibration(checkpoint.model, report.slope, report.offset)
    return write_bundle(
        model, build_manifest(checkpoint, report), documents(checkpoint.provenance, report), trained / GOLDEN, out
    )


def write_bundle(
    model: Net,
    draft: Manifest,
    texts: Mapping[str, str],
    golden: Path,
    out: Path,
    store: Callable[[bytes], bytes] = bytes,
) -> tuple[Bundle, ParityProof]:
    """Write and check a bundle.

    `draft` is its manifest without the files, `texts` the card and other documents by file name. `store` may
    change how the graph stores its weights; weights that a recipe has rounded are stored as int8.
    """
    graph = check_graph(store_as_int8(store(to_onnx(model))))
    if has_int8_weights(graph):
        draft = draft.model_copy(update={"precision": "int8-weights"})
    return write_graph(graph, draft, texts, golden, out, partial(check_parity, model), "torch")


def write_graph(
    graph: bytes,
    draft: Manifest,
    texts: Mapping[str, str],
    golden: Path,
    out: Path,
    prove: Callable[[Bundle], ParityProof],
    original: str,
) -> tuple[Bundle, ParityProof]:
    """Write a bundle of a graph. `prove` compares it with `original`, the name of what the graph was made from."""
    with replace_bundle(out) as folder:
        (folder / MODEL).write_bytes(graph)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        shutil.copyfile(golden, folder / GOLDEN_CLIP)
        write_golden_scores(folder, draft)
        write_hashed_manifest(folder, draft)
        bundle = load_bundle(folder)
        proof = prove(bundle)
        codes = [label.code for label in draft.labels]
        measured = draft.model_copy(
            update={
                "parity": summarise_parity(proof.changes, codes, original, proof.audio),
                "cost": cost_of(bundle, float(time_interleaved([bundle]).medians[0])),
            }
        )
        (folder / CARD).write_text(f"{texts[CARD]}\n{exported_section(measured)}", encoding="utf-8")
        write_hashed_manifest(folder, measured)
    return load_bundle(out), proof


@contextmanager
def replace_bundle(out: Path) -> Iterator[Path]:
    """Yield a temporary bundle folder. If the block ends without an error, it replaces OUT.

    Raises ModelError when OUT exists and is not a bundle.
    """
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise ModelError(f"{out} is not a bundle, so it is not replaced; name another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch) / "bundle"
        (folder / "golden").mkdir(parents=True)
        yield folder
        if out.exists():
            out.rename(Path(scratch) / "old")
        folder.rename(out)


def write_hashed_manifest(folder: Path, draft: Manifest) -> None:
    """Write the manifest with the hashes of all other files in a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    files = {path.relative_to(folder).as_posix(): sha256(path.read_bytes()) for path in paths}
    write_manifest(folder, draft.model_copy(update={"files": files}))


def build_manifest(checkpoint: Checkpoint, report: ShippedReport) -> Manifest:
    """Return the manifest of a trained model, without its files."""
    model, provenance = checkpoint.model, checkpoint.provenance
    recipe = provenance.recipe
    figures = {row.code: row for row in report.species}
    return Manifest(
        id=recipe.id,
        version=recipe.version,
        title=recipe.title,
        kind="stream" if isinstance(model, StreamNet) else "window",
        labels=tuple(
            Label(
                code=species.code,
                scientific_name=species.scientific_name,
                common_name=species.common_name,
                threshold=figures[species.code].threshold,
                sensitive=figures[species.code].sensitive,
                strict=figures[species.code].strict,
                is_reliable=figures[species.code].is_reliable,
            )
            for species in provenance.species
        ),
        rate_hz=model.rate_hz,
        window_samples=model.window_samples,
        hop_samples=model.hop_samples,
        lookahead_samples=model.lookahead_samples,
        averaged_frames=model.averaged_frames if isinstance(model, WindowNet) else 1,
        receptive_field_samples=None if isinstance(model, StreamNet) else model.window_samples,
        states=_states(model),
        licence=provenance.licence,
        training=Training(
            recipe=recipe.to_json(),
            data=provenance.data,
            seed=recipe.seed,
            calibration=_calibration(recipe, report),
        ),
        metrics=report.metrics,
        files={},
    )


def _calibration(recipe: BaseRecipe, report: ShippedReport) -> str:
    if recipe.is_calibrated:
        return "logistic regression of the head's score and BirdNET's logit, the same for every label; out of fold"
    return (
        f"sigmoid({report.slope:.4f} * logit + {report.offset:.4f}) for every label, in the last layer; fitted on "
        "out-of-fold recording scores"
    )


def _states(model: Net) -> tuple[StateTensor, ...]:
    if not isinstance(model, StreamNet):
        return ()
    return tuple(StateTensor(name=name, shape=shape) for name, shape in model.state_shapes.items())


def write_golden_scores(folder: Path, draft: Manifest) -> None:
    """Write the exported model's scores of the golden clip; `check_parity` compares them with torch."""
    np.save(folder / GOLDEN_SCORES, np.zeros((0, 0), np.float32))
    write_hashed_manifest(folder, draft)
    bundle = load_bundle(folder)
    clip, rate_hz = soundfile.read(folder / GOLDEN_CLIP, dtype="float32")
    if rate_hz != draft.rate_hz:
        raise ModelError(f"the golden clip has {rate_hz} Hz, the model {draft.rate_hz}; fit the recipe again")
    np.save(folder / GOLDEN_SCORES, score_all(bundle, open_model(bundle), clip))
