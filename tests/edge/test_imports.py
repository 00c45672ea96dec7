"""The device loads no large library, and the command starts without the model runtime."""

import pkgutil
import subprocess
import sys

import anura_edge

LARGE = ["torch", "torchaudio", "onnx", "scipy", "sklearn", "fastapi", "sqlalchemy", "pandas", "matplotlib"]
CLUSTER = {"dask", "distributed", "fsspec", "pyarrow", "bokeh"}


def test_device_loads_no_large_library() -> None:
    found = [module.name for module in pkgutil.walk_packages(anura_edge.__path__, "anura_edge.")]
    modules = [name for name in found if not name.startswith("anura_edge.cluster.")]
    assert {"anura_edge.cli.main", "anura_edge.sources.microphone.source", "anura_edge.inference.classifier"} < set(
        modules
    )
    program = f"import sys, {', '.join(modules)}; print(*({CLUSTER | set(LARGE)!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_command_does_not_load_portaudio() -> None:
    assert modules_loaded_by_command("sounddevice") == []


def test_command_does_not_load_the_model_runtime() -> None:
    assert modules_loaded_by_command("onnxruntime", "soundfile", "soxr", "paho", "rich.progress") == []


def modules_loaded_by_command(*modules: str) -> list[str]:
    program = f"import sys, anura_edge.cli.main; print(*({set(modules)!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return answer.stdout.split()
