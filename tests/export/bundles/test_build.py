"""Trained models become bundles that a device accepts."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import CARD, CREDITS, Bundle, load_bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_export.bundles.build import export_bundle
from anura_export.bundles.onnx_graph import to_onnx, with_calibration
from anura_export.bundles.parity import TOLERANCE
from anura_export.bundles.untrained import RESNET18, untrained_window_bundle
from anura_export.quantization.int8 import quantizable_layers
from anura_train.models import build_network
from anura_train.models.settings import (
    AstSettings,
    CnnSettings,
    CrnnSettings,
    MelFeatures,
    ModelSettings,
    StreamSettings,
)

RATE_HZ = 22_050


def test_device_accepts_the_bundle(bundle: Bundle) -> None:
    load_classifier(load_bundle(bundle.path))
    assert [label.code for label in bundle.manifest.labels] == ["AAALOW", "BBBHIG"]
    assert bundle.manifest.licence == "CC-BY-NC-4.0"
    assert bundle.manifest.metrics


def test_card_names_species_figures_and_limits(bundle: Bundle) -> None:
    card = (bundle.path / CARD).read_text()
    for wanted in ("Rana AAALOW", "mean average precision", "false alarms, all kinds", "Limits", f"({CREDITS})"):
        assert wanted in card


def test_credits_name_the_authors_of_the_training_recordings(bundle: Bundle) -> None:
    text = (bundle.path / CREDITS).read_text()
    assert "nobody" in text
    assert "K. J. Piczak" in text
    assert "GPL-3" not in text  # a held-out recording


def test_modified_model_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    model = bytearray((copy / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (copy / "model.onnx").write_bytes(model)
    with pytest.raises(ModelError, match=r"model\.onnx is damaged"):
        load_bundle(copy)


def test_graph_has_one_gru_node_and_no_batch_norm() -> None:
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2)
    graph = onnx.load_from_string(to_onnx(model)).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("GRU") == 1
    assert "BatchNormalization" not in operators  # folded into the convolutions
    assert "Loop" not in operators


def test_model_larger_than_2_gb_is_refused() -> None:
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2)
    model.huge = torch.nn.Parameter(torch.zeros(1).expand(600_000_000))  # 2.4 GB that share one zero
    with pytest.raises(ModelError, match="2 GB"):
        to_onnx(model)


def test_calibration_layer_scales_the_logits() -> None:
    model = build_network(RESNET18, labels=2).eval()
    audio = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 66_150).astype(np.float32))
    with torch.no_grad():
        expected = 0.5 * model.predict(audio) - 2
        torch.testing.assert_close(with_calibration(model, 0.5, -2).predict(audio), expected, atol=1e-4, rtol=0)


def test_untrained_bundle_is_a_valid_bundle(tmp_path: Path) -> None:
    bundle = load_bundle(untrained_window_bundle(tmp_path / "resnet18-untrained"))
    assert bundle.manifest.id == "resnet18-untrained"
    scores = score_all(bundle, load_classifier(bundle), np.zeros(5 * RATE_HZ, np.float32), frames=2)
    assert scores.shape == (3, len(bundle.manifest.labels))


IMAGE = MelFeatures(kind="mel", window_samples=512, hop_samples=512, mels=32, height=32, width=64)


@pytest.mark.parametrize(
    "settings",
    [
        CnnSettings(kind="cnn", network="resnet18", features=IMAGE, dropout=0.5, imagenet_head=True),
        CnnSettings(kind="cnn", network="mobilenetv1_100", features=IMAGE, dropout=0.5),
        CnnSettings(kind="cnn", network="mobilenetv2_100", features=IMAGE, dropout=0.5),
        CnnSettings(kind="cnn", network="mobilenetv3_large_100", features=IMAGE, dropout=0.5, dense=(256, 128)),
        CnnSettings(kind="cnn", network="densenet121", features=IMAGE, dropout=0.5, dense=(256,)),
        AstSettings(kind="ast", size="tiny", stride=16, mean=-4.2677393, std=4.5689974, dropout=0.1),
        CrnnSettings(kind="crnn", width=8, hidden=16, dropout=0.1),
    ],
    ids=lambda settings: getattr(settings, "network", settings.kind),
)
def test_window_model_and_bundle_give_equal_scores(settings: ModelSettings, tmp_path: Path) -> None:
    bundle = load_bundle(untrained_window_bundle(tmp_path / "bundle", settings))
    manifest = bundle.manifest
    assert manifest.window_samples == 3 * manifest.rate_hz
    assert manifest.parity is not None
    assert manifest.parity.overall.largest <= TOLERANCE
    graph = onnx.load_from_string(bundle.model).graph
    layers = quantizable_layers(graph)
    integers = [node.op_type for node in graph.node if node.name in layers]
    assert set(integers) == {"MatMul"} if settings.kind == "ast" else "Conv" in integers


def test_folder_without_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="anura-train fit"):
        export_bundle(tmp_path, tmp_path / "out")


def test_folder_without_a_bundle_is_not_replaced(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(ModelError, match="is not a bundle"):
        export_bundle(trained, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "three years"


def test_bundle_is_replaced_by_a_newer_one(bundle: Bundle, trained: Path, tmp_path: Path) -> None:
    (shutil.copytree(bundle.path, tmp_path / "bundle") / "old.txt").write_text("old")
    newer, _ = export_bundle(trained, tmp_path / "bundle")
    assert newer.model_sha256 == bundle.model_sha256
    assert not (newer.path / "old.txt").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]
