"""Storage of weights as float16."""

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from anura_export.birdnet.float16 import round_to_float16, store_as_float16


def graph_of(weights: np.ndarray) -> bytes:
    """A product of an input (1, n) with weights (n, m)."""
    rows, columns = weights.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, columns])],
        [numpy_helper.from_array(weights, "w")],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    )


def run(graph: bytes, values: np.ndarray) -> np.ndarray:
    return np.asarray(ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"x": values})[0])


def test_exact_weights_are_stored_in_half_the_bytes() -> None:
    rng = np.random.default_rng(0)
    graph = graph_of(rng.normal(size=(64, 64)).astype(np.float16).astype(np.float32))
    stored, values = store_as_float16(graph), rng.normal(size=(1, 64)).astype(np.float32)
    onnx.checker.check_model(onnx.load_from_string(stored), full_check=True)
    assert len(stored) < 0.6 * len(graph)
    np.testing.assert_array_equal(run(stored, values), run(graph, values))


def test_inexact_weights_are_not_changed() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    assert onnx.load_from_string(store_as_float16(graph_of(weights))) == onnx.load_from_string(graph_of(weights))
    weights[0, 0] = 1e6  # too large
    assert onnx.load_from_string(store_as_float16(graph_of(weights))) == onnx.load_from_string(graph_of(weights))


def test_rounded_parameters_are_exact_in_float16() -> None:
    layer = nn.Linear(8, 8)
    round_to_float16(layer)
    torch.testing.assert_close(layer.weight.half().float(), layer.weight, rtol=0, atol=0)
