"""The compared models: networks in torch as their projects run them, and bundles as a device runs them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from anura_edge.audio import FloatArray
from anura_edge.inference.bundle import MODEL, load_bundle
from anura_edge.inference.classifier import frames_in, make_framer
from anura_edge.inference.loading import load_classifier

RECIPES = Path(__file__).resolve().parents[2] / "train" / "recipes"
LABELS = 42
"""Number of AnuraSet's species."""

HF_FRAMES = 1_024
"""Ten seconds: the length to which Hugging Face's extractor for AST pads each window."""

BATCH = 8
WINDOW_S, HOP_S = 3, 1


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model of the comparison."""

    name: str
    source: str
    """A recipe's file and variants, or a bundle's folder."""

    @property
    def is_bundle(self) -> bool:
        """Whether it runs in ONNX Runtime and can be used on a device."""
        return not self.source.endswith(".yaml") and ".yaml:" not in self.source


PUBLISHED = (
    ComparedModel("AnuraSet's ResNet152, torch", "anuraset_published.yaml:resnet152"),
    ComparedModel("AnuraSet's ResNet18, torch", "anuraset_published.yaml"),
    ComparedModel("AST base, padded to 10 s as Hugging Face's, torch", "teacher_ast.yaml:audioset:padded"),
    ComparedModel("AST base on 3 s, ours, torch", "teacher_ast.yaml:audioset"),
)


class Scorer:
    """A loaded model."""

    rate_hz: int
    score: Callable[[FloatArray], None]
    """Scores a recording at `rate_hz`, shape (samples,)."""
    microphone_input: FloatArray
    """The model's input for one inference with a microphone."""
    interval_s: float
    """Time between two such inferences, in seconds."""

    def __init__(self, compared: ComparedModel, threads: int) -> None:
        if compared.is_bundle:
            self._load_bundle(Path(compared.source), threads)
        else:
            self._load_torch(compared.source, threads)

    def _load_bundle(self, path: Path, threads: int) -> None:
        bundle = load_bundle(path)
        manifest, classifier = bundle.manifest, load_classifier(bundle, threads)
        self.rate_hz = manifest.rate_hz
        self.file_bytes = (path / MODEL).stat().st_size
        self.macs_per_s = _macs_of_graph(bundle.model, manifest.hop_samples, manifest.window_samples) * (
            manifest.rate_hz / manifest.hop_samples
        )
        framer, short_framer = (make_framer(manifest, frames_in(manifest, block_s)) for block_s in (10.0, 0.1))
        frames = max(1, round(0.1 * manifest.rate_hz / manifest.hop_samples))
        self.interval_s = frames * manifest.hop_samples / manifest.rate_hz
        self.microphone_input = np.zeros(manifest.window_samples + (frames - 1) * manifest.hop_samples, np.float32)

        def score(samples: FloatArray) -> None:
            classifier.reset()
            chosen = short_framer if len(samples) <= len(self.microphone_input) else framer
            chosen.clear()
            for window in chosen.feed(samples):
                classifier.score(window)

        self.score = score

    def _load_torch(self, model: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        net, self.rate_hz = _network(model)
        self.file_bytes = sum(4 * parameter.numel() for parameter in net.parameters())
        self.microphone_input = np.zeros(WINDOW_S * self.rate_hz, np.float32)
        self.interval_s = float(HOP_S)

        def score(samples: FloatArray) -> None:
            with torch.inference_mode():
                for batch in _windows(samples, self.rate_hz):
                    net(torch.from_numpy(batch))

        self.score = score
        self.macs_per_s = _macs_of_torch(net, self.microphone_input) / HOP_S


def at_rate(samples: FloatArray, from_hz: int, to_hz: int) -> FloatArray:
    """Resample a whole recording."""
    return samples if from_hz == to_hz else soxr.resample(samples, from_hz, to_hz)


def _windows(samples: FloatArray, rate_hz: int) -> Iterator[FloatArray]:
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_S * rate_hz)[:: HOP_S * rate_hz]
    for at in range(0, len(windows), BATCH):
        yield windows[at : at + BATCH].copy()


def _network(model: str) -> tuple[Any, int]:
    from torch import nn
    from torch.nn import functional

    from anura_train.models import AST_MELS, build_network, sampling_rate_hz
    from anura_train.models.ast_net import AstNet
    from anura_train.recipe import read_recipe

    class Padded(nn.Module):
        """Pad a window's features with zeros, and attend to all of them."""

        def forward(self, features: Any) -> Any:  # noqa: ANN401 (torch is loaded here only)
            return functional.pad(features, (0, 0, 0, HF_FRAMES - features.shape[1]))

    name, *variants = model.split(":")
    is_padded = "padded" in variants
    recipe = read_recipe(RECIPES / name, [variant for variant in variants if variant != "padded"])
    net = build_network(recipe.model, LABELS)
    if is_padded:
        settings: Any = recipe.model
        body = AstNet(LABELS, HF_FRAMES, AST_MELS, settings.size, settings.stride, settings.dropout)
        net.body = nn.Sequential(Padded(), body)
    return net.eval(), sampling_rate_hz(recipe.model)


def _macs_of_torch(net: Any, window: FloatArray) -> float:  # noqa: ANN401
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        net(torch.from_numpy(window[None]))
    return counter.get_total_flops() / 2


def _macs_of_graph(graph: bytes, hop: int, window: int) -> float:
    """Return the multiplications for one frame; of a stream model, a tenth of the difference of 20 and 10 frames."""
    if hop == window:
        return (_macs_of_samples(graph, 20 * window) - _macs_of_samples(graph, 10 * window)) / 10
    return _macs_of_samples(graph, window)


def _macs_of_samples(graph: bytes, samples: int) -> float:
    import onnx
    from onnx import numpy_helper, shape_inference

    model = onnx.load_from_string(graph)
    for value in model.graph.input:
        dimensions = value.type.tensor_type.shape.dim
        dimensions[0].dim_value = 1
        if value.name == "audio":
            dimensions[1].dim_value = samples
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    constants = {
        node.output[0]: list(numpy_helper.to_array(node.attribute[0].t).shape)
        for node in inferred.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    return float(sum(_macs_of_node(node, {**shapes, **constants}) for node in inferred.node))


def _macs_of_node(node: Any, shapes: dict[str, list[int]]) -> float:  # noqa: ANN401 (onnx is loaded here only)
    if node.op_type in ("Conv", "QLinearConv", "ConvInteger"):
        weights = shapes[node.input[3 if node.op_type == "QLinearConv" else 1]]
        return float(np.prod(shapes[node.output[0]]) * np.prod(weights[1:]))
    if node.op_type in ("MatMul", "MatMulInteger"):
        return float(np.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1])
    if node.op_type == "Gemm":
        return float(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]]) / shapes[node.output[0]][-1])
    if node.op_type == "GRU":
        steps, (_, gates, width) = shapes[node.input[0]][0], shapes[node.input[1]]
        return float(steps * gates * (width + gates // 3))
    return 0.0
