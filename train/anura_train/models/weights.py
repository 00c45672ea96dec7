"""Reads published weights from a local file. Nothing is downloaded."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anura_edge.errors import ModelError

StateDict = Mapping[str, Tensor]
"""Parameter name -> value."""


def load_torch_file(path: Path) -> dict[str, Any]:
    """Read a mapping of tensors, numbers and strings that torch.save wrote. Reading never runs code from the file.

    Raises OSError, or ValueError for anything else.
    """
    try:
        saved = torch.load(path, "cpu", weights_only=True)
        return dict(saved)
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        # torch's own message recommends an option that runs code from the file.
        raise ValueError("the file is damaged, or torch.save did not write it") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, or one that torch.save wrote.

    Training scripts often store weights under the key `model` or `state_dict`, with `module.` before each name. Both
    are removed. Raises ModelError when the file is missing or contains something else.
    """
    try:
        saved: Any = load_file(path) if path.suffix == ".safetensors" else load_torch_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"cannot read pretrained weights from {path}: {error}; name a state dict") from error
    for key in ("model", "state_dict"):
        saved = saved.get(key, saved)
    if not isinstance(saved, Mapping) or not all(isinstance(value, Tensor) for value in saved.values()):
        raise ModelError(f"{path} does not map names to tensors; save model.state_dict() and name that file")
    return {name.removeprefix("module."): value for name, value in saved.items()}


def load_weights(module: nn.Module, weights: StateDict, source: Path, untrained: Collection[str] = ()) -> None:
    """Copy weights into a module by name. Parameters whose names begin with one of `untrained` do not change.

    StateDict that the module does not have are ignored. Raises ModelError that names a missing weight or a wrong shape.
    """
    expected = {
        name: value.shape for name, value in module.state_dict().items() if not name.startswith(tuple(untrained))
    }
    if missing := [name for name in expected if name not in weights and not name.endswith("num_batches_tracked")]:
        raise ModelError(f"{source} lacks {_shorten(missing)}; it belongs to another network than the recipe names")
    if other := [name for name in expected if name in weights and weights[name].shape != expected[name]]:
        raise ModelError(
            f"{source}: {other[0]} has shape {tuple(weights[other[0]].shape)}, the network needs "
            f"{tuple(expected[other[0]])}; choose the size that the recipe names"
        )
    module.load_state_dict({name: weights[name] for name in expected if name in weights}, strict=False)


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")
