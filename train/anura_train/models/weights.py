"""Reads published weights from a file that the user has; nothing is ever downloaded."""

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anura_edge.errors import ModelError

Weights = Mapping[str, Tensor]
"""Parameter name -> value."""


def load_torch_file(path: Path) -> dict[str, Any]:
    """Read a mapping that torch.save wrote, of tensors, numbers and texts; it may not run code on being read.

    Raises OSError, or ValueError for anything else.
    """
    try:
        saved = torch.load(path, "cpu", weights_only=True)
        return dict(saved)
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        # torch's own words recommend to read it in a way that lets it run code.
        raise ValueError("it holds no tensors that torch.save wrote, or is damaged") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, or one that torch.save wrote.

    Weights that lie under `model` or `state_dict`, and names that begin with `module.`, are what training scripts
    leave; both are unpacked. Raises ModelError when the file is missing or holds something else.
    """
    try:
        saved: Any = load_file(path) if path.suffix == ".safetensors" else load_torch_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"cannot read pretrained weights from {path}: {error}; name a state dict") from error
    for key in ("model", "state_dict"):
        saved = saved.get(key, saved)
    if not isinstance(saved, Mapping) or not all(isinstance(value, Tensor) for value in saved.values()):
        raise ModelError(f"{path} holds no weights by name; save model.state_dict() and name that file")
    return {name.removeprefix("module."): value for name, value in saved.items()}


def load_weights(module: nn.Module, weights: Weights, source: Path, untrained: Collection[str] = ()) -> None:
    """Give a network weights by name; those that begin with one of `untrained` stay as they were.

    What the file has beyond the network is left out. Raises ModelError naming what the file lacks or what differs in
    shape.
    """
    wanted = {name: value.shape for name, value in module.state_dict().items() if not name.startswith(tuple(untrained))}
    if missing := [name for name in wanted if name not in weights and not name.endswith("num_batches_tracked")]:
        raise ModelError(f"{source} lacks {_some(missing)}; it was made for another network than the recipe names")
    if other := [name for name in wanted if name in weights and weights[name].shape != wanted[name]]:
        raise ModelError(
            f"{source}: {other[0]} has shape {tuple(weights[other[0]].shape)}, the network needs "
            f"{tuple(wanted[other[0]])}; choose the size that the recipe names"
        )
    module.load_state_dict({name: weights[name] for name in wanted if name in weights}, strict=False)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} others" if len(names) > 3 else "")
