"""From a data set to a bundle, by the commands that a user types."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle, load_bundle
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


def test_a_device_accepts_the_bundle(bundle: Bundle) -> None:
    load_classifier(load_bundle(bundle.path))
    assert [label.code for label in bundle.manifest.labels] == ["AAALOW", "BBBHIG"]
    assert bundle.manifest.licence == "CC-BY-NC-4.0"
    assert bundle.manifest.metrics


def test_the_card_names_every_species_figure_limit_and_author(bundle: Bundle) -> None:
    card = (bundle.path / "MODEL_CARD.md").read_text()
    for wanted in ("Rana AAALOW", "mean average precision", "false alarms an hour", "Limits", "nobody", "K. J. Piczak"):
        assert wanted in card
    assert "GPL-3" not in card  # not learnt from


def test_a_changed_model_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    model = bytearray((copy / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (copy / "model.onnx").write_bytes(model)
    with pytest.raises(ModelError, match=r"model\.onnx is damaged"):
        load_bundle(copy)


def test_the_graph_needs_nothing_beside_itself_and_keeps_its_gru_whole() -> None:
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2)
    graph = onnx.load_from_string(to_onnx(model)).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("GRU") == 1
    assert "BatchNormalization" not in operators  # folded into the convolutions
    assert "Loop" not in operators


def test_a_model_beyond_what_one_file_holds_is_refused_before_it_is_exported() -> None:
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2)
    model.huge = torch.nn.Parameter(torch.zeros(1).expand(600_000_000))  # 2.4 GB of the same zero
    with pytest.raises(ModelError, match="2 GB"):
        to_onnx(model)


def test_calibration_in_the_last_layer_is_calibration_of_the_logits() -> None:
    model = build_network(RESNET18, labels=2).eval()
    audio = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 66_150).astype(np.float32))
    with torch.no_grad():
        expected = 0.5 * model.predict(audio) - 2
        torch.testing.assert_close(with_calibration(model, 0.5, -2).predict(audio), expected, atol=1e-4, rtol=0)


def test_an_untrained_window_bundle_for_benchmarks_is_a_real_bundle(tmp_path: Path) -> None:
    bundle = load_bundle(untrained_window_bundle(tmp_path / "resnet18-untrained"))
    assert bundle.manifest.id == "resnet18-untrained"
    scores = score_all(bundle, load_classifier(bundle), np.zeros(5 * RATE_HZ, np.float32), frames=2)
    assert scores.shape == (3, len(bundle.manifest.labels))


PHOTOGRAPH = MelFeatures(kind="mel", window_samples=512, hop_samples=512, mels=32, height=32, width=64)


@pytest.mark.parametrize(
    "settings",
    [
        CnnSettings(kind="cnn", network="resnet18", features=PHOTOGRAPH, dropout=0.5, imagenet_head=True),
        CnnSettings(kind="cnn", network="mobilenetv1_100", features=PHOTOGRAPH, dropout=0.5),
        CnnSettings(kind="cnn", network="mobilenetv2_100", features=PHOTOGRAPH, dropout=0.5),
        CnnSettings(kind="cnn", network="mobilenetv3_large_100", features=PHOTOGRAPH, dropout=0.5, dense=(256, 128)),
        CnnSettings(kind="cnn", network="densenet121", features=PHOTOGRAPH, dropout=0.5, dense=(256,)),
        AstSettings(kind="ast", size="tiny", stride=16, mean=-4.2677393, std=4.5689974, dropout=0.1),
        CrnnSettings(kind="crnn", width=8, hidden=16, dropout=0.1),
    ],
    ids=lambda settings: getattr(settings, "network", settings.kind),
)
def test_every_window_model_is_the_same_in_a_bundle(settings: ModelSettings, tmp_path: Path) -> None:
    bundle = load_bundle(untrained_window_bundle(tmp_path / "bundle", settings))
    manifest = bundle.manifest
    assert manifest.window_samples == 3 * manifest.rate_hz
    assert manifest.parity is not None
    assert manifest.parity.overall.largest <= TOLERANCE
    graph = onnx.load_from_string(bundle.model).graph
    integers = [node.op_type for node in graph.node if node.name in quantizable_layers(graph)]
    assert set(integers) == {"MatMul"} if settings.kind == "ast" else "Conv" in integers


def test_a_folder_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="anura-train fit"):
        export_bundle(tmp_path, tmp_path / "out")


def test_a_folder_that_is_no_bundle_is_not_replaced(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(ModelError, match="is not a bundle"):
        export_bundle(trained, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "three years"


def test_a_bundle_is_replaced_by_a_newer_one(trained: Path, tmp_path: Path) -> None:
    first, _ = export_bundle(trained, tmp_path / "bundle")
    second, _ = export_bundle(trained, tmp_path / "bundle")
    assert first.model_sha256 == second.model_sha256
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]
