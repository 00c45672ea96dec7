"""Chooses the ONNX Runtime execution provider for a model.

The device's ONNX Runtime package has the CPU provider only; those for a Jetson or a GPU server have more. Only the CPU
is tested. Elsewhere, the golden clip shows whether the scores are right.
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
    """Return the providers to try with their options, the best first. The CPU is always the last.

    `tensorrt` are the model's options (`tensorrt_options`). Building a TensorRT engine takes minutes, so engines are
    stored in the folder `engines`.
    """
    available = ort.get_available_providers()
    providers = []
    if wanted == "tensorrt" and NAMES["tensorrt"] in available:
        options = {**tensorrt}
        if engines:
            engines.mkdir(parents=True, exist_ok=True)
            options |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engines)}
        providers.append((NAMES["tensorrt"], options))
    if wanted in ("auto", "cuda", "tensorrt") and NAMES["cuda"] in available:
        # TF32 has ten bits of mantissa, too few for the golden scores.
        providers.append((NAMES["cuda"], {"use_tf32": "0"}))
    return [*providers, (NAMES["cpu"], {})]


def provider_in_use(session: ort.InferenceSession, wanted: Provider) -> str:
    """Return the provider that runs a session. Log a warning if it is not the wanted one."""
    first = session.get_providers()[0]
    used = next((name for name, provider in NAMES.items() if provider == first), first)
    if wanted not in ("auto", used):
        log.warning("model.provider: %s is not available in this onnxruntime; the model runs on %s", wanted, used)
    return used
