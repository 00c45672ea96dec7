"""The reader of TensorFlow Lite files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tflite_file import write_tflite
from torch import nn

from anura_edge.errors import ModelError
from anura_train.models.tflite import TfliteGraph, read_tflite


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1))


@pytest.fixture(scope="module")
def file(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose second convolution is stored as int8."""
    return write_tflite(tmp_path_factory.mktemp("tflite") / "small.tflite", network)


def test_operators_are_in_execution_order(file: Path) -> None:
    graph = read_tflite(file)
    assert [each.name for each in graph.operators] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "LOGISTIC"]
    assert len(graph.find("CONV_2D")) == 2


def test_float_constants_are_exact_and_int8_within_half_a_step(file: Path, network: nn.Module) -> None:
    kernels = [kernel.numpy() for kernel, _ in read_tflite(file).convolutions()]
    expected = [module.weight.detach().numpy() for module in network.modules() if isinstance(module, nn.Conv2d)]
    np.testing.assert_array_equal(kernels[0], expected[0])
    steps = np.abs(expected[1]).max((1, 2, 3), keepdims=True) / 127
    assert (np.abs(kernels[1] - expected[1]) <= steps / 2 * 1.001).all()


def test_tensor_without_values_is_an_error(file: Path) -> None:
    graph = read_tflite(file)
    assert not graph.is_constant(-1)
    with pytest.raises(ModelError, match="no stored values"):
        graph.constant(-1)


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"\x89PNG\r\n\x1a\n" * 20])
def test_file_of_another_format_is_an_error(content: bytes) -> None:
    with pytest.raises(ModelError, match="not a TensorFlow Lite file"):
        TfliteGraph(content, Path("picture.png"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file_is_an_error(file: Path, share: float) -> None:
    content = file.read_bytes()
    with pytest.raises(ModelError, match=r"damaged|cannot read|no stored values"):
        read_all(TfliteGraph(content[: int(len(content) * share)], file))


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_tflite(tmp_path / "absent.tflite")


def read_all(graph: TfliteGraph) -> None:
    for operator in graph.operators:
        graph.constants_of(operator)
