"""Storage of weights as int8."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from anura_export.bundles.int8_weights import has_int8_weights, store_as_int8
from anura_train.models.int8_weights import round_to_int8


def graph_of(layer: nn.Conv2d) -> bytes:
    """A convolution without bias, 32 channels to 16."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 32, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 6, 6])],
        [numpy_helper.from_array(layer.weight.detach().numpy(), "w")],
    )
    opset = helper.make_opsetid("", 18)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


def run(graph: bytes, image: np.ndarray) -> np.ndarray:
    return np.asarray(ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"x": image})[0])


def convolution(*, rounded: bool) -> nn.Conv2d:
    torch.manual_seed(0)
    layer = nn.Conv2d(32, 16, 3)
    with torch.no_grad():
        layer.weight[3] = 0  # a channel without weights
    if rounded:
        round_to_int8(layer)
    return layer


def test_rounded_weights_need_a_quarter_of_the_bytes_and_give_the_same_result() -> None:
    graph = graph_of(convolution(rounded=True))
    stored = store_as_int8(graph)
    onnx.checker.check_model(onnx.load_from_string(stored), full_check=True)
    assert has_int8_weights(stored)
    assert not has_int8_weights(graph)
    assert len(stored) < 0.35 * len(graph)
    image = np.random.default_rng(0).normal(size=(1, 32, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(run(stored, image), run(graph, image), atol=1e-5)


def test_weights_that_were_not_rounded_are_not_changed() -> None:
    graph = graph_of(convolution(rounded=False))
    assert onnx.load_from_string(store_as_int8(graph)) == onnx.load_from_string(graph)


def test_runtime_unpacks_the_weights_when_it_loads_the_graph(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    stored = store_as_int8(graph_of(convolution(rounded=True)))
    ort.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    nodes = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert nodes.isdisjoint({"Cast", "Mul"})


def test_kernel_of_a_constant_does_not_make_a_float_network_int8() -> None:
    layer = convolution(rounded=False)
    with torch.no_grad():
        layer.weight[:] = 1 / 9  # a mean
    assert not has_int8_weights(store_as_int8(graph_of(layer)))
