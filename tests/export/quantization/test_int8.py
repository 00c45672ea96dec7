"""What becomes integers, and what its ranges are taken from."""

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


def test_only_layers_between_the_first_and_the_last_are_integers_and_no_depthwise_ones(
    quantised: QuantizedBundle,
) -> None:
    graph = graph_of(quantised.bundle)
    provenance = {name: node.op_type for node in graph.node for name in node.output}
    layers = [node for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm", "GRU")]
    integers = {node.name for node in layers if provenance.get(node.input[1]) == "DequantizeLinear"}
    assert integers == {
        *(f"/layers.{number}/pointwise/pointwise.0/Conv" for number in range(1, 5)),
        "/bands/bands.0/MatMul",
    }
    assert any(node.name.startswith("/front_end/") for node in layers)
    assert {"/layers.0/convolution/Conv", "/memory/GRU", "/head/MatMul"} <= {n.name for n in layers}


def test_integers_are_signed_and_symmetric_with_a_scale_for_each_channel(quantised: QuantizedBundle) -> None:
    graph = graph_of(quantised.bundle)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in values]
    assert any(values[node.input[1]].size > 1 for node in weights)
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = values[node.input[2]]
            assert not zero.any()
            assert zero.dtype in (np.int8, np.int32)  # 32 bits for what is added to a sum of products


def test_a_stream_is_fed_in_order_with_the_states_that_it_really_has(bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(0, 0.1, 50_000).astype(np.float32) for _ in range(2)]
    session = ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    scores = [session.run(["probabilities"], feed)[0][0] for feed in calibration_inputs(bundle, clips)]
    expected = [score_all(bundle, open_model(bundle), clip) for clip in clips]
    np.testing.assert_allclose(np.concatenate(scores), np.concatenate(expected), atol=1e-5)


def test_integers_change_scores_but_not_by_much(bundle: Bundle) -> None:
    torch.manual_seed(0)
    model = build_network(StreamSettings(kind="stream", width=4, hidden=8, dropout=0.0), labels=2).eval()
    floats = replace(bundle, model=to_onnx(model))
    clip = np.random.default_rng(0).normal(0, 0.1, 100_000).astype(np.float32)
    integers = replace(floats, model=quantize_graph(floats, [clip]))
    changes = np.abs(score_all(floats, open_model(floats), clip) - score_all(integers, open_model(integers), clip))
    assert 0 < changes.max() < 0.05


def test_integers_are_not_made_of_integers(quantised: QuantizedBundle) -> None:
    with pytest.raises(ModelError, match="int8 already"):
        quantize_graph(quantised.bundle, [])
