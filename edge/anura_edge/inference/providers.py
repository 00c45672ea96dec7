"""Chooses what ONNX Runtime runs a model on.

The device's own package of ONNX Runtime has the CPU alone; a Jetson's or a GPU server's has more. Tested on the CPU
only: elsewhere the golden clip, which every model must prove itself on, says whether the sums are right.
"""

import logging
from pathlib import Path
from typing import Literal

import onnxruntime as ort

log = logging.getLogger(__name__)

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def provider_options(
    wanted: Provider, engines: Path | None, tensorrt: dict[str, str]
) -> list[tuple[str, dict[str, str]]]:
    """Return the providers to try, the best first, with their options; the CPU is always the last.

    TensorRT is told what the model needs (`shapes.tensorrt_options`), and keeps the engines that it builds, which takes
    minutes, in the folder `engines`.
    """
    there = ort.get_available_providers()
    found = []
    if wanted == "tensorrt" and NAMES["tensorrt"] in there:
        cache = {**tensorrt}
        if engines:
            engines.mkdir(parents=True, exist_ok=True)
            cache |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engines)}
        found.append((NAMES["tensorrt"], cache))
    if wanted in ("auto", "cuda", "tensorrt") and NAMES["cuda"] in there:
        # With TF32's ten bits the golden scores would not be met.
        found.append((NAMES["cuda"], {"use_tf32": "0"}))
    return [*found, (NAMES["cpu"], {})]


def provider_in_use(session: ort.InferenceSession, wanted: Provider) -> str:
    """Return what a session really runs on, and tell the log if that is not what was wanted."""
    first = session.get_providers()[0]
    used = next((name for name, provider in NAMES.items() if provider == first), first)
    if wanted not in ("auto", used):
        log.warning("model.provider: %s is not available in this onnxruntime; the model runs on %s", wanted, used)
    return used
