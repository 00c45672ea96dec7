"""The cost of networks: parameters, and multiply-adds for one second of audio, as torch counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from anura_train.head_recipe import read_any_recipe
from anura_train.models import build_network
from anura_train.models.settings import ModelSettings, StreamSettings
from anura_train.models.window import WINDOW_S
from anura_train.recipe import variant_names

LABEL_COUNT = 42
"""Number of AnuraSet's species."""

STREAM_S = 6
"""A whole number of the stream's steps."""


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Size and computing cost of a network."""

    parameters: int
    mmac_per_s: float
    """Million multiply-adds for one second of audio: its windows, or the stream's steps; with front end."""
    input_s: float
    """Length of an input: a window, or a step of a stream."""
    rate_hz: int


def model_costs(paths: Sequence[Path]) -> dict[str, ModelCost]:
    """Measure the networks of recipes, and of the variants that change the network; the keys are their names."""
    costs = {}
    for path in paths:
        measured: list[ModelSettings] = []
        for variant in ((), *((name,) for name in variant_names(path))):
            recipe = read_any_recipe(path, variant)
            if recipe.model not in measured:
                measured.append(recipe.model)
                costs[" ".join([path.stem, *variant])] = measure_cost(recipe.model)
    return costs


def cost_table(costs: Mapping[str, ModelCost]) -> str:
    """Return costs as a Markdown table."""
    lines = ["| recipe | parameters | MMAC / s | input |", "|---|--:|--:|---|"]
    lines += [
        f"| {name} | {each.parameters:,} | {each.mmac_per_s:,.0f} | {each.input_s:g} s at {each.rate_hz:,} Hz |"
        for name, each in costs.items()
    ]
    return "\n".join(lines)


def measure_cost(settings: ModelSettings) -> ModelCost:
    """Count the parameters and multiply-adds of a network with torch's own counter.

    Only the front end computes numbers. The rest is on torch's "meta" device, so the largest network costs nothing.
    """
    streams = isinstance(settings, StreamSettings)
    with torch.device("cpu" if streams else "meta"):
        model = build_network(settings, LABEL_COUNT).eval()
    audio_s = STREAM_S if streams else WINDOW_S
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = model.features(torch.zeros(1, audio_s * model.rate_hz))
        *_, last = model.parameters()
        model.frame_logits(features.to(last.device))
    return ModelCost(
        parameters=sum(weight.numel() for weight in model.parameters()),
        # Most window models score overlapping windows, one each second.
        mmac_per_s=counter.get_total_flops() / 2e6 / (STREAM_S if streams else model.hop_samples / model.rate_hz),
        input_s=round(model.window_samples / model.rate_hz, 3),
        rate_hz=model.rate_hz,
    )
