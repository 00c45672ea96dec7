"""Writes the convolutions of a network as a TensorFlow Lite file, half of them with int8 weights."""

from collections.abc import Callable, Sequence
from pathlib import Path

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray
from torch import nn

CODES = (tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D, tflite.BuiltinOperator.LOGISTIC)


class _Writer:
    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1 << 20)
        self.buffers: list[int] = [self._buffer(b"")]
        self.tensors: list[int] = []
        self.operators: list[int] = []

    def convolution(self, layer: nn.Conv2d, *, small: bool) -> None:
        """Add a convolution; a small kernel is stored as int8."""
        depthwise = layer.groups > 1
        kernel = layer.weight.detach().permute((1, 2, 3, 0) if depthwise else (0, 2, 3, 1)).contiguous().numpy()
        bias = layer.bias.detach().numpy() if layer.bias is not None else np.zeros(layer.out_channels, np.float32)
        channel = 3 if depthwise else 0
        places = [self._tensor(kernel, channel if small else None), self._tensor(bias, None)]
        self._operator(1 if depthwise else 0, [0, *places])

    def logistic(self) -> None:
        """Add an operator that is not a convolution."""
        self._operator(2, [0])

    def content(self) -> bytes:
        """Return the file."""
        build = self.builder
        tensors = self._vector(tflite.SubGraphStartTensorsVector, self.tensors)
        operators = self._vector(tflite.SubGraphStartOperatorsVector, self.operators)
        tflite.SubGraphStart(build)
        tflite.SubGraphAddTensors(build, tensors)
        tflite.SubGraphAddOperators(build, operators)
        graphs = self._vector(tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(build)])
        codes = []
        for code in CODES:
            tflite.OperatorCodeStart(build)
            tflite.OperatorCodeAddDeprecatedBuiltinCode(build, code)  # old readers use this field
            tflite.OperatorCodeAddBuiltinCode(build, code)
            codes.append(tflite.OperatorCodeEnd(build))
        known = self._vector(tflite.ModelStartOperatorCodesVector, codes)
        buffers = self._vector(tflite.ModelStartBuffersVector, self.buffers)
        tflite.ModelStart(build)
        tflite.ModelAddOperatorCodes(build, known)
        tflite.ModelAddSubgraphs(build, graphs)
        tflite.ModelAddBuffers(build, buffers)
        build.Finish(tflite.ModelEnd(build), b"TFL3")
        return bytes(build.Output())

    def _operator(self, code: int, inputs: Sequence[int]) -> None:
        places = self.builder.CreateNumpyVector(np.array(inputs, np.int32))
        tflite.OperatorStart(self.builder)
        tflite.OperatorAddOpcodeIndex(self.builder, code)
        tflite.OperatorAddInputs(self.builder, places)
        self.operators.append(tflite.OperatorEnd(self.builder))

    def _tensor(self, values: NDArray[np.float32], channel: int | None) -> int:
        build, quantized = self.builder, None
        kept: NDArray[np.float32] | NDArray[np.int8] = values
        if channel is not None:
            others = tuple(axis for axis in range(values.ndim) if axis != channel)
            scale = np.abs(values).max(others, keepdims=True) / 127
            kept = np.round(values / scale).astype(np.int8)
            scales = build.CreateNumpyVector(scale.ravel().astype(np.float32))
            tflite.QuantizationParametersStart(build)
            tflite.QuantizationParametersAddScale(build, scales)
            tflite.QuantizationParametersAddQuantizedDimension(build, channel)
            quantized = tflite.QuantizationParametersEnd(build)
        self.buffers.append(self._buffer(kept.tobytes()))
        shape = build.CreateNumpyVector(np.array(kept.shape, np.int32))
        tflite.TensorStart(build)
        tflite.TensorAddShape(build, shape)
        tflite.TensorAddType(build, tflite.TensorType.FLOAT32 if quantized is None else tflite.TensorType.INT8)
        tflite.TensorAddBuffer(build, len(self.buffers) - 1)
        if quantized is not None:
            tflite.TensorAddQuantization(build, quantized)
        self.tensors.append(tflite.TensorEnd(build))
        return len(self.tensors) - 1

    def _buffer(self, content: bytes) -> int:
        data = self.builder.CreateByteVector(content)
        tflite.BufferStart(self.builder)
        tflite.BufferAddData(self.builder, data)
        return int(tflite.BufferEnd(self.builder))

    def _vector(self, start: Callable[[flatbuffers.Builder, int], int], items: Sequence[int]) -> int:
        start(self.builder, len(items))
        for item in reversed(items):
            self.builder.PrependUOffsetTRelative(item)
        return int(self.builder.EndVector())


def write_tflite(path: Path, network: nn.Module) -> Path:
    """Write the convolutions of a network in execution order, and another operator after them."""
    writer = _Writer()
    for number, layer in enumerate(each for each in network.modules() if isinstance(each, nn.Conv2d)):
        writer.convolution(layer, small=number % 2 == 1)
    writer.logistic()
    path.write_bytes(writer.content())
    return path
