"""An int8 bundle states its source and its loss of accuracy, and a device accepts it."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import CARD, Bundle, load_bundle
from anura_edge.inference.loading import load_classifier
from anura_export.cli import app
from anura_export.quantization.build import QuantizedBundle
from anura_export.quantization.out_of_fold import LOSS, macro_f1_loss
from anura_train.data import Corpus


def test_device_accepts_an_int8_bundle(quantized: QuantizedBundle) -> None:
    load_classifier(load_bundle(quantized.bundle.path))


def test_manifest_has_source_bundle_and_changes(quantized: QuantizedBundle, bundle: Bundle) -> None:
    manifest = quantized.bundle.manifest
    assert (manifest.id, manifest.precision, manifest.made_from) == ("tiny-int8", "int8", bundle.model_sha256)
    assert manifest.parity is not None
    assert set(manifest.parity.labels) == {"AAALOW", "BBBHIG"}
    assert max(change.largest for change in manifest.parity.labels.values()) == manifest.parity.overall.largest
    assert manifest.cost is not None
    assert manifest.cost.model_bytes == len(quantized.bundle.model)
    assert manifest.golden_tolerance >= 1e-3


def test_loss_by_int8_is_one_of_the_metrics(quantized: QuantizedBundle) -> None:
    *others, loss = quantized.bundle.manifest.metrics
    assert loss.name == LOSS
    assert loss.low is not None
    assert loss.high is not None
    assert loss.low <= loss.value <= loss.high
    assert others
    assert all(metric.protocol.endswith("of the float model") for metric in others)


def test_card_and_verdict_name_the_bundle_to_use(quantized: QuantizedBundle, bundle: Bundle) -> None:
    card = (quantized.bundle.path / CARD).read_text()
    assert card.startswith((bundle.path / CARD).read_text())
    for line in quantized.verdict:
        assert line in card
    assert quantized.verdict[-1].startswith(("Use the float bundle", "Use the int8 bundle"))


def test_float_bundle_states_parity_with_torch(bundle: Bundle) -> None:
    assert bundle.manifest.parity is not None
    assert bundle.manifest.parity.against == "torch"
    assert "## The exported model" in (bundle.path / CARD).read_text()


def test_folds_of_another_model_are_refused(bundle: Bundle, corpus: Corpus, trained: Path) -> None:
    with pytest.raises(ModelError, match="different labels"):
        macro_f1_loss(bundle, corpus.filter_recordings(lambda each: "AAALOW" not in each.codes), trained)


def test_missing_fold_is_named(bundle: Bundle, corpus: Corpus, trained: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "copy"))
    (copy / "state/fold-0.pt").unlink()
    with pytest.raises(ModelError, match=r"fold-0\.pt.*anura-train fit"):
        macro_f1_loss(bundle, corpus, copy)


def test_parity_command_shows_differences(quantized: QuantizedBundle, bundle: Bundle, trained: Path) -> None:
    command = ["parity", "--bundle", str(quantized.bundle.path), "--against", str(bundle.path)]
    command += ["--data", str(trained.parent)]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0
    assert "AAALOW" in shown.stdout
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert quantized.bundle.manifest.parity
    assert found["parity"]["overall"] == quantized.bundle.manifest.parity.overall.model_dump()
    assert found["model_bytes"] == [len(quantized.bundle.model), len(bundle.model)]
