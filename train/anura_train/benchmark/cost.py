"""What the networks of recipes cost: parameters, and multiply-adds for a second of sound, as torch counts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from anura_train.models import build_network
from anura_train.models.settings import ModelSettings, StreamSettings
from anura_train.models.window import HOP_S, WINDOW_S
from anura_train.recipe import read_recipe, variant_names

LABEL_COUNT = 42
"""AnuraSet's species."""

STREAM_S = 60
"""A whole number of the stream's steps."""


@dataclass(frozen=True, slots=True)
class ModelCost:
    """A network's cost."""

    name: str
    parameters: int
    mmac_per_s: float
    """Million multiply-adds for a second of sound: a window each second, or the stream's steps; front end included."""
    seconds: float
    """Length of an input: a window, or a step of a stream."""
    rate_hz: int


def model_costs(paths: Sequence[Path]) -> list[ModelCost]:
    """Measure the networks of recipes, and of those of their variants that change the network."""
    entries = []
    for path in paths:
        seen: list[ModelSettings] = []
        for variant in ((), *((name,) for name in variant_names(path))):
            recipe = read_recipe(path, variant)
            if recipe.model not in seen:
                seen.append(recipe.model)
                entries.append(measure_cost(" ".join([path.stem, *variant]), recipe.model))
    return entries


def cost_table(entries: Sequence[ModelCost]) -> str:
    """Return entries as a table in Markdown."""
    lines = ["| recipe | parameters | MMAC / s | input |", "|---|--:|--:|---|"]
    lines += [
        f"| {each.name} | {each.parameters:,} | {each.mmac_per_s:,.0f} | {each.seconds:g} s at {each.rate_hz:,} Hz |"
        for each in entries
    ]
    return "\n".join(lines)


def measure_cost(name: str, settings: ModelSettings) -> ModelCost:
    """Count a network's parameters and multiply-adds by torch's own counter.

    Only the front end's numbers are made: the rest is a sketch on torch's "meta" device, so the largest costs nothing.
    """
    streams = isinstance(settings, StreamSettings)
    with torch.device("cpu" if streams else "meta"):
        model = build_network(settings, LABEL_COUNT).eval()
    sound_s = STREAM_S if streams else WINDOW_S
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = model.features(torch.zeros(1, sound_s * model.rate_hz))
        model.frame_logits(features.to(next(model.parameters()).device))
    return ModelCost(
        name=name,
        parameters=sum(weight.numel() for weight in model.parameters()),
        # A window is scored each second, whatever its length.
        mmac_per_s=counter.get_total_flops() / 2e6 / (STREAM_S if streams else HOP_S),
        seconds=round(model.window_samples / model.rate_hz, 3),
        rate_hz=model.rate_hz,
    )
