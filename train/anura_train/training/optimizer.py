"""Optimizers and learning rate schedules."""

import math

from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from anura_edge.errors import ConfigError
from anura_train.models import Net
from anura_train.recipe import Recipe


def make_optimizer(model: Net, recipe: Recipe) -> Optimizer:
    """Return the optimizer, with separate parameter groups for the layers that the recipe names.

    Raises ConfigError when no parameter has the name of a layer.
    """
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    remaining = dict(model.named_parameters())
    groups = []
    for layer in recipe.parameter_groups:
        named = [remaining.pop(name) for name in list(remaining) if name.startswith(layer.prefix)]
        if not named:
            raise ConfigError(
                f"recipe {recipe.id}: parameter_groups: no parameter begins with {layer.prefix!r}; see the model"
            )
        groups.append({"params": named} | layer.model_dump(exclude={"prefix"}, exclude_none=True))
        if "learning_rate" in groups[-1]:
            groups[-1]["lr"] = groups[-1].pop("learning_rate")
    return kind([{"params": [*remaining.values()]}, *groups], recipe.learning_rate, weight_decay=recipe.weight_decay)


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """Return the schedule of the learning rates. Their maximum is the recipe's."""
    if recipe.schedule == "one_cycle":
        return OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=steps + 1)
    if recipe.schedule == "cosine":
        return LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    return LambdaLR(optimizer, lambda _: 1.0)
