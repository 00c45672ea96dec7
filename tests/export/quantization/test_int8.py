"""Which layers become int8, and the inputs of the calibration."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.golden import score_all
from anura_edge.inference.loading import open_model
from anura_export.bundles.onnx_graph import to_onnx
from anura_export.quantization.build import QuantizedBundle
from anura_export.quantization.int8 import calibration_inputs, quantize_graph
from anura_train.models import build_network
from anura_train.models.settings import StreamSettings


def graph_of(bundle: Bundle) -> onnx.GraphProto:
    return onnx.load_from_string(bundle.model).graph


def test_only_inner_pointwise_layers_are_int8(
    quantized: QuantizedBundle,
) -> None:
    graph = graph_of(quantized.bundle)
    provenance = {name: node.op_type for node in graph.node for name in node.output}
    layers = [node for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm", "GRU")]
    integers = {node.name for node in layers if provenance.get(node.input[1]) == "DequantizeLinear"}
    assert integers == {
        *(f"/layers.{number}/pointwise/pointwise.0/Conv" for number in range(1, 5)),
        "/projection/projection.0/MatMul",
    }
    assert any(node.name.startswith("/front_end/") for node in layers)
    assert {"/layers.0/convolution/Conv", "/gru/GRU", "/head/MatMul"} <= {n.name for n in layers}


def test_int8_is_symmetric_with_a_scale_per_channel(quantized: QuantizedBundle) -> None:
    graph = graph_of(quantized.bundle)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in values]
    assert any(values[node.input[1]].size > 1 for node in weights)
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = values[node.input[2]]
            assert not zero.any()
            assert zero.dtype in (np.int8, np.int32)  # a bias has 32 bits


def test_stream_inputs_carry_the_states(bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.1, 50_000).astype(np.float32) for _ in range(2)]
    session = ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    scores = [session.run(["probabilities"], feed)[0][0] for feed in calibration_inputs(bundle, clips)]
    expected = [score_all(bundle, open_model(bundle), clip) for clip in clips]
    np.testing.assert_allclose(np.concatenate(scores), np.concatenate(expected), atol=1e-5)


def test_int8_changes_scores_slightly(bundle: Bundle) -> None:
    torch.manual_seed(0)
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2).eval()
    floats = replace(bundle, model=to_onnx(model))
    clip = np.random.default_rng(0).normal(0, 0.1, 100_000).astype(np.float32)
    integers = replace(floats, model=quantize_graph(floats, [clip]))
    changes = np.abs(score_all(floats, open_model(floats), clip) - score_all(integers, open_model(integers), clip))
    assert 0 < changes.max() < 0.05


def test_int8_bundle_is_not_quantized_again(quantized: QuantizedBundle) -> None:
    with pytest.raises(ModelError, match="int8 already"):
        quantize_graph(quantized.bundle, [])
