"""Stores the weights of a graph as float16 where this is exact.

ONNX Runtime converts them to float32 once, when it loads the graph, so only the file becomes smaller.
"""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

MIN_VALUES = 256
"""Smaller tensors stay float32: the node that converts them would need more bytes than float16 saves."""


@torch.no_grad()
def round_to_float16(module: nn.Module) -> None:
    """Round all parameters of a module to the nearest float16 value; they stay float32 tensors."""
    for parameter in module.parameters():
        parameter.copy_(parameter.half().float())


def store_as_float16(graph: bytes) -> bytes:
    """Return an equivalent graph in which float32 weights that are exact in float16 are stored as float16."""
    model = onnx.load_from_string(graph)
    exact = [tensor for tensor in model.graph.initializer if _is_exact(tensor)]
    for tensor in exact:
        name, stored = tensor.name, f"{tensor.name}_float16"
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), stored))
        model.graph.node.insert(0, helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    return bytes(model.SerializeToString())


def _is_exact(tensor: TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT:
        return False
    values = numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):  # too large values become infinite, so they differ
        return values.size >= MIN_VALUES and bool((values.astype(np.float16).astype(np.float32) == values).all())
