"""A briefly trained model, and its float and int8 bundles."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from lightning_fabric import Fabric
from typer.testing import CliRunner

from anura_edge.inference.bundle import Bundle
from anura_export.benchmark import cost
from anura_export.bundles.build import export_bundle
from anura_export.bundles.parity import TOLERANCE
from anura_export.quantization.build import QuantizedBundle, quantize
from anura_train.cli import main as train_cli
from anura_train.data import Corpus, read_corpus
from anura_train.recipe import read_recipe
from anura_train.training.folds import RunContext, fit_final, fit_fold

RATE_HZ = 22_050


@pytest.fixture(autouse=True, scope="session")
def few_rounds() -> Iterator[None]:
    """Measure the time of a model in three calls: no test reads the value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "MIN_ROUNDS", 3)
        patch.setattr(cost, "MAX_ROUNDS", 3)
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of `anura-train fit` and `evaluate` for two species that are tones."""
    root = tmp_path_factory.mktemp("trained")
    for name in ("frogs", "background", "esc10"):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    frogs = ["file,code,species,group,licence,attribution"]
    for code, pitch_hz in (("AAALOW", 900), ("BBBHIG", 4_000)):
        for group in range(2):
            sf.write(
                root / "frogs" / f"{code}{group}.flac", 0.3 * np.sin(2 * np.pi * (pitch_hz + 9 * group) * t), RATE_HZ
            )
            frogs.append(f"{code}{group}.flac,{code},Rana {code},{code}{group},CC0,nobody")
    backgrounds = ["file,kind,group,licence,attribution"]
    for number, licence in enumerate(("US public domain", "US public domain", "GPL-3")):
        sf.write(root / "background" / f"n{number}.flac", rng.normal(0, 0.05, 2 * RATE_HZ), RATE_HZ)
        backgrounds.append(f"n{number}.flac,noise,n{number},{licence},nobody")
    sf.write(root / "esc10" / "1-1-A.flac", rng.normal(0, 0.05, 2 * RATE_HZ), RATE_HZ)
    (root / "frogs" / "frogs.csv").write_text("\n".join(frogs))
    (root / "background" / "background.csv").write_text("\n".join(backgrounds))
    (root / "esc10" / "esc10.csv").write_text("file,label\n1-1-A.flac,Rain\n")
    (root / "tiny.yaml").write_text("""
        {id: tiny, title: Tiny, version: 0.0.1, seed: 1, folds: 2, example_s: 1.0, batch_size: 4, steps: 3,
         model: {kind: stream, width: 4, hidden: 8, dropout: 0.1},
         learning_rate: 0.01, weight_decay: 0.0, ema_decay: 0.9, golden_clip: frogs/AAALOW0.flac,
         augment: {background_only: 0.3, two_species: 0.1, with_background: 0.5, snr_db: [0, 20], speed: [1, 1],
                   level_dbfs: [-40, -10], low_pass: 0.1, mask_frames: 3, mask_mels: 2}}
    """)
    recipe, corpus, out = read_recipe(root / "tiny.yaml"), read_corpus(root), root / "out"
    context = RunContext(out, Fabric(accelerator="cpu", devices=1))
    for fold in range(recipe.folds):
        fit_fold(recipe, corpus, fold, context, lambda _: None)
    fit_final(recipe, corpus, context, lambda _: None)
    done = CliRunner().invoke(train_cli.app, ["evaluate", "--data", str(root), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="session")
def bundle(trained: Path) -> Bundle:
    made, proof = export_bundle(trained, trained.parent / "bundle")
    assert max(proof.torch_to_onnx, proof.chunked_to_whole) <= TOLERANCE
    return made


@pytest.fixture(scope="session")
def corpus(trained: Path) -> Corpus:
    return read_corpus(trained.parent)


@pytest.fixture(scope="session")
def quantized(bundle: Bundle, corpus: Corpus, trained: Path) -> QuantizedBundle:
    """The int8 bundle, with its loss out of fold."""
    return quantize(bundle, corpus, trained.parent / "int8", trained)
