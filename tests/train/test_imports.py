"""The commands show their help at once: they load large libraries only when they run."""

import subprocess
import sys

import pytest

LARGE = ("torch", "torchaudio", "timm", "lightning_fabric", "sklearn", "scipy", "matplotlib", "onnx", "onnxruntime")


@pytest.mark.parametrize("module", ["anura_train.cli.main", "anura_export.cli"])
def test_command_loads_no_large_library(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({LARGE}) & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == []
