"""Reads TensorFlow Lite files: the operators in execution order, and the values of the constants.

The file is a FlatBuffers table with the identifier `TFL3` (tensorflow/lite/schema/schema.fbs). Only the first subgraph
is read. Nothing is executed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import torch
from numpy.typing import NDArray
from torch import Tensor

from anura_edge.errors import ModelError

Array = NDArray[Any]

DTYPES: dict[int, np.dtype[Any]] = {
    tflite.TensorType.FLOAT32: np.dtype("<f4"),
    tflite.TensorType.FLOAT16: np.dtype("<f2"),
    tflite.TensorType.INT8: np.dtype("<i1"),
    tflite.TensorType.INT32: np.dtype("<i4"),
    tflite.TensorType.INT64: np.dtype("<i8"),
}
"""Types of constants that can be read."""

FLOATS = (tflite.TensorType.FLOAT32, tflite.TensorType.FLOAT16)

_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
_PARSE_ERRORS = (struct.error, AttributeError, TypeError, ValueError, RuntimeError, LookupError, OverflowError)
"""The tflite package does not validate its input, so a damaged file can raise any of these."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of the graph."""

    name: str
    """Name in the schema, as in `CONV_2D`."""
    inputs: tuple[int, ...]
    """Numbers of the input tensors; -1 is an optional input that is missing."""
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _StoredTensor:
    """The values of a tensor as the file stores them."""

    content: NDArray[np.uint8]
    type: int
    scales: NDArray[np.float32] | None
    """For int8 values: one scale, or one for each index along `axis`."""
    axis: int


class TfliteGraph:
    """The first subgraph of a TensorFlow Lite file."""

    def __init__(self, content: bytes, source: Path) -> None:
        """Parse the bytes of a file. Error messages name `source`. Raises ModelError for a file of another format."""
        self.source = source
        if content[4:8] != b"TFL3":
            raise ModelError(f"{source} is not a TensorFlow Lite file: it does not have the identifier TFL3")
        try:
            model = tflite.Model.GetRootAs(content)
            graph = model.Subgraphs(0)
            self.inputs, self.outputs = _numbers(graph.InputsAsNumpy()), _numbers(graph.OutputsAsNumpy())
            self.operators = tuple(_operators(model, graph))
            self.shapes = tuple(_numbers(graph.Tensors(n).ShapeAsNumpy()) for n in range(graph.TensorsLength()))
            """Shape of each tensor; () for a scalar."""
            self._constants = dict(_stored_tensors(model, graph))
        except _PARSE_ERRORS as error:
            raise ModelError(f"cannot read {source}: {error}; it is damaged or incomplete, copy it again") from error
        for operator in self.find("DEQUANTIZE"):  # these convert float16 constants when the graph is executed
            if operator.inputs[0] in self._constants:
                self._constants[operator.outputs[0]] = self._constants[operator.inputs[0]]

    def find(self, *names: str) -> list[Operator]:
        """Return the operators with one of these names, in execution order."""
        return [operator for operator in self.operators if operator.name in names]

    def is_constant(self, tensor: int) -> bool:
        """Return whether the file stores values for a tensor."""
        return tensor in self._constants

    def constant(self, tensor: int) -> Array:
        """Return the values of a constant tensor, in its shape.

        Floats are float32: float16 values are converted, int8 values are multiplied by their scales. Raises ModelError
        for a tensor without values, of a type that cannot be read, or whose size does not match its shape.
        """
        if tensor not in self._constants:
            raise ModelError(f"{self.source}: tensor {tensor} has no stored values; name the file of the right network")
        stored = self._constants[tensor]
        try:
            values = stored.content.view(DTYPES[stored.type]).reshape(self.shapes[tensor])
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"{self.source}: cannot read the values of tensor {tensor}: {error!r}; copy the file again"
            ) from error
        if stored.scales is not None:
            broadcast = [1] * values.ndim
            broadcast[stored.axis] = -1
            return np.asarray(values * stored.scales.reshape(broadcast), np.float32)
        return np.asarray(values, np.float32 if stored.type in FLOATS else None)

    def constants_of(self, operator: Operator) -> list[Array]:
        """Return the values of an operator's constant inputs, in input order."""
        return [self.constant(tensor) for tensor in operator.inputs if self.is_constant(tensor)]

    def convolutions(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield kernel and bias of each 2D convolution, in execution order; kernels in torch's layout.

        Raises ModelError for a kernel or bias without values, ValueError for a convolution without bias.
        """
        for operator in self.find("CONV_2D", "DEPTHWISE_CONV_2D"):
            _, kernel, bias = operator.inputs
            # TensorFlow's layout is (out, height, width, in), for depthwise convolutions (1, height, width, out).
            axes = (3, 0, 1, 2) if operator.name == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
            yield self._tensor(kernel).permute(axes), self._tensor(bias)

    def _tensor(self, number: int) -> Tensor:
        return torch.from_numpy(self.constant(number).copy())


def read_tflite(path: Path) -> TfliteGraph:
    """Read a TensorFlow Lite file. Raises ModelError when it is missing, damaged or of another format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; correct the path") from error
    return TfliteGraph(content, path)


def _operators(model: Any, graph: Any) -> Iterator[Operator]:  # noqa: ANN401  # tflite has no types
    for number in range(graph.OperatorsLength()):
        entry = graph.Operators(number)
        code = model.OperatorCodes(entry.OpcodeIndex())
        # Files from before 2020 have only the older field, an 8-bit number.
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        yield Operator(name, _numbers(entry.InputsAsNumpy()), _numbers(entry.OutputsAsNumpy()))


def _stored_tensors(model: Any, graph: Any) -> Iterator[tuple[int, _StoredTensor]]:  # noqa: ANN401
    for number in range(graph.TensorsLength()):
        entry = graph.Tensors(number)
        buffer = model.Buffers(entry.Buffer())
        if buffer.DataLength() == 0:
            continue
        scales, axis = None, 0
        if entry.Type() == tflite.TensorType.INT8:
            scales = np.atleast_1d(entry.Quantization().ScaleAsNumpy()).astype(np.float32)
            axis = int(entry.Quantization().QuantizedDimension())
        yield number, _StoredTensor(buffer.DataAsNumpy(), int(entry.Type()), scales, axis)


def _numbers(values: Any) -> tuple[int, ...]:  # noqa: ANN401  # tflite returns the number 0 for a missing vector
    return tuple(int(value) for value in values) if isinstance(values, np.ndarray) else ()
