"""An ONNX classifier of another program becomes a bundle with the same scores."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from anura_edge.errors import AnuraError, ConfigError, ModelError
from anura_edge.inference.bundle import load_bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import load_classifier
from anura_export.imported.activation import Activation
from anura_export.imported.build import ImportOptions, import_onnx
from anura_export.imported.labels import read_labels

RATE_HZ, WINDOW_S = 8_000, 0.5
SAMPLES = round(RATE_HZ * WINDOW_S)
LABELS = "Hyla arborea_European Tree Frog\nRana temporaria\nBufo bufo_Common Toad\n"


class Classifier(nn.Module):
    """A convolution and a mean, as logits of three labels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv1d(1, 3, 64, stride=16)

    def forward(self, audio: Tensor) -> Tensor:
        return 20 * self.conv(audio.unsqueeze(1)).abs().mean(2) - 1


class Flat(Classifier):
    """It reshapes to one window, as graphs of a fixed batch do."""

    def forward(self, audio: Tensor) -> Tensor:
        return super().forward(audio.reshape(1, SAMPLES))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text(LABELS, encoding="utf-8")
    return path


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Export a network as another program would."""

    def write(network: nn.Module, *, batch: str | None = "n", samples: int = SAMPLES) -> Path:
        path = tmp_path / "Frogs of Europe.onnx"
        axes = {"wave": {0: batch}, "scores": {0: batch}} if batch else None
        arguments: Any = (torch.zeros(1, samples),)
        names = {"input_names": ["wave"], "output_names": ["scores"], "dynamic_axes": axes}
        with warnings.catch_warnings(action="ignore"):
            torch.onnx.export(network.eval(), arguments, path, dynamo=False, opset_version=18, **names)
        return path

    return write


def options(**changes: Any) -> ImportOptions:
    return ImportOptions(**{"rate_hz": RATE_HZ, "window_s": WINDOW_S, "activation": Activation.SIGMOID, **changes})


@pytest.mark.parametrize("activation", [Activation.SIGMOID, Activation.SOFTMAX])
@pytest.mark.parametrize(("network", "batch"), [(Classifier, "n"), (Classifier, None), (Flat, None)])
def test_bundle_gives_the_scores_of_the_graph(
    export: Callable[..., Path],
    labels: Path,
    tmp_path: Path,
    network: type[nn.Module],
    batch: str | None,
    activation: Activation,
) -> None:
    model = network()
    made, proof = import_onnx(export(model, batch=batch), labels, options(activation=activation), tmp_path / "out")
    assert max(proof.torch_to_onnx, proof.chunked_to_whole) < 1e-5
    bundle = load_bundle(made.path)
    audio = np.random.default_rng(0).normal(0, 0.1, 5 * SAMPLES).astype(np.float32)
    found = score_all(bundle, load_classifier(bundle), audio)
    logits = torch.cat([model(each) for each in torch.from_numpy(audio).reshape(-1, 1, SAMPLES)])
    expected = logits.sigmoid() if activation is Activation.SIGMOID else logits.softmax(1)
    np.testing.assert_allclose(found[:5], expected.detach(), atol=1e-5)
    m = bundle.manifest
    assert (m.id, m.kind, m.hop_samples, m.licence) == ("frogs-of-europe", "window", SAMPLES, "NOASSERTION")
    assert [label.code for label in m.labels] == ["Hyla-arborea", "Rana-temporaria", "Bufo-bufo"]
    assert m.labels[0].common_name == "European Tree Frog"


def _graph(
    inputs: list[tuple[str, int, list[int | str]]], node: str = "Identity", output: list[int | str] | None = None
) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(*each) for each in inputs]
    result = helper.make_tensor_value_info("y", inputs[0][1], output or inputs[0][2])
    graph = helper.make_graph([helper.make_node(node, [inputs[0][0]], ["y"])], "g", values, [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
WAVE: tuple[str, int, list[int | str]] = ("x", FLOAT, ["n", SAMPLES])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_graph([("x", FLOAT, ["n", 1, SAMPLES])]), "has the shape"),
        (_graph([("x", FLOAT, ["n", SAMPLES + 1])]), "correct them"),
        (_graph([("x", FLOAT, [4, SAMPLES])]), "takes 4 windows"),
        (_graph([("x", DOUBLE, ["n", SAMPLES])]), "is double"),
        (_graph([WAVE, ("z", FLOAT, [1])]), "must have one input"),
        (_graph([WAVE], output=["n"]), "has the shape"),
        (_graph([WAVE]), f"has {SAMPLES:,} scores"),
    ],
)
def test_another_graph_is_refused(tmp_path: Path, labels: Path, model: onnx.ModelProto, message: str) -> None:
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(AnuraError, match=message):
        import_onnx(tmp_path / "model.onnx", labels, options(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_external_tensors_are_refused(export: Callable[..., Path], labels: Path, tmp_path: Path) -> None:
    path = export(Classifier())
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(ModelError, match="tensors in other files"):
        import_onnx(path, labels, options(), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"not a graph", bytes(range(256))])
def test_file_without_a_graph_is_refused(tmp_path: Path, labels: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="is not an ONNX file"):
        import_onnx(tmp_path / "model.onnx", labels, options(), tmp_path / "out")
    with pytest.raises(ModelError, match="correct the path"):
        import_onnx(tmp_path / "none.onnx", labels, options(), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": Activation.NONE}, "--activation"),
        ({"window_s": 1.0}, "correct them"),
        ({"rate_hz": 1}, "sampling rate"),
        ({"hop_s": 0.0}, "--hop"),
        ({"hop_s": 9.0}, "--hop"),
        ({"output": "logits"}, "choose one with --output: scores"),
        ({"licence": "CC-BY-NC-4.0", "is_commercial": True}, "forbids commercial use"),
    ],
)
def test_wrong_option_is_refused(
    export: Callable[..., Path], labels: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AnuraError, match=message):
        import_onnx(export(Classifier()), labels, options(**changes), tmp_path / "out")


def test_scores_that_are_not_numbers_are_refused(export: Callable[..., Path], labels: Path, tmp_path: Path) -> None:
    path = export(Classifier())
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(np.nan), tensor.name))
    onnx.save(model, path)
    with pytest.raises(ModelError, match="not numbers"):
        import_onnx(path, labels, options(), tmp_path / "out")


def test_codes_are_valid_and_unique(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("Hyla sp. (call A)\nHyla sp. (call A)\n" + "Very long " * 9 + "\n", encoding="utf-8-sig")
    assert [label.code for label in read_labels(path, 0.5)][:2] == ["Hyla-sp-call-A", "Hyla-sp-call-A-2"]


@pytest.mark.parametrize(
    ("text", "message"), [("", "no labels"), ("Hyla\n日本\n", "label 2"), (None, "correct the path"), ("\xe9", "UTF-8")]
)
def test_unusable_labels_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "labels.txt"
    if text is not None:
        path.write_bytes(text.encode("latin-1" if text == "\xe9" else "utf-8"))
    with pytest.raises(ConfigError, match=message):
        read_labels(path, 0.5)
