"""Losses for labels that say what calls in an example, and for those that say when and how high as well."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor

from anura_train.recipe import (
    AsymmetricLoss,
    BceLoss,
    BoxLoss,
    FocalLoss,
    LogitAdjustedLoss,
    LossSettings,
    TopKPoolingLoss,
)

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Of logits (B, rows, labels), targets (B, labels) and, for networks with a grid, cells (B, rows, labels)."""

TOPK_SHARE = 0.3
"""Share of an example's rows that decide whether a species is there: it calls in most of an example, not in all."""

MIN_PREVALENCE = 1e-3
"""A label is taken to be in no fewer examples than this; one that is in none has no odds."""


def make_loss(settings: LossSettings, prevalence: Tensor) -> Loss:
    """Return the loss that a recipe asks for; prevalence (labels,) is the share of examples with each label."""
    if isinstance(settings, TopKPoolingLoss):
        return lambda logits, target, _: weak_label_loss(logits, target)
    if isinstance(settings, BoxLoss):
        return lambda logits, target, cells: box_loss(logits, target, cells, settings)
    example = _example_loss(settings, prevalence.clamp(MIN_PREVALENCE, 1 - MIN_PREVALENCE))
    # A window model has one row; of several, the surest speaks for the example.
    return lambda logits, target, _: example(logits.amax(1), target)


def weak_label_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of rows (B, rows, labels) against what the example holds, (B, labels).

    A species that is there is judged by its surest rows, so that rows between calls may stay low. A species that is
    not there is not there in any row.
    """
    example = F.binary_cross_entropy_with_logits(topk_pooling(logits), target, reduction="none")
    absent = F.softplus(logits).mean(1)  # (B, labels)
    return (example + 0.5 * (1 - target) * absent).mean()


def topk_pooling(logits: Tensor) -> Tensor:
    """Return the mean logits (B, labels) of the PRESENT_SHARE of rows (B, rows, labels) that are surest of a label."""
    return logits.topk(max(1, int(TOPK_SHARE * logits.shape[1])), dim=1).values.mean(1)


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Binary cross-entropy in which what is already right weighs little (Lin et al. 2017); all (B, labels)."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = (torch.sigmoid(logits) - target).abs()
    return (wrong**gamma * entropy).mean()


def box_loss(logits: Tensor, target: Tensor, cells: Tensor | None, settings: BoxLoss) -> Tensor:
    """Judge each cell (B, cells, labels) where a person drew boxes, and the surest cell where nobody did (NaN).

    Cross-entropy, in which a cell with a call weighs `pos_weight` times an empty one, and Dice (Milletari et al. 2016).
    """
    if cells is None:
        raise ValueError("the loss of boxes wants cells")
    boxed = ~cells.isnan().any(2).any(1)  # (B,)
    weight = logits.new_tensor(settings.pos_weight)
    losses = logits.new_zeros(len(logits))
    if boxed.any():
        drawn, truth = logits[boxed], cells[boxed]
        entropy = F.binary_cross_entropy_with_logits(drawn, truth, pos_weight=weight, reduction="none").mean((1, 2))
        losses[boxed] = entropy + settings.dice_weight * dice_loss(drawn, truth)
    if not boxed.all():
        surest = F.binary_cross_entropy_with_logits(logits[~boxed].amax(1), target[~boxed], reduction="none")
        losses[~boxed] = surest.mean(1)
    return losses.mean()


def dice_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Return 1 - the overlap of what is heard and what is there, (B,), over the labels that are; (B, cells, labels)."""
    heard = torch.sigmoid(logits)
    overlap = 2 * (heard * cells).sum(1) / (heard + cells).sum(1).clamp_min(1e-6)  # (B, labels)
    there = cells.amax(1) > 0  # (B, labels)
    return ((1 - overlap) * there).sum(1) / there.sum(1).clamp_min(1)


def _example_loss(
    settings: BceLoss | FocalLoss | AsymmetricLoss | LogitAdjustedLoss, prevalence: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss of logits and targets, both (B, labels)."""
    if isinstance(settings, FocalLoss):
        return lambda logits, target: focal_loss(logits, target, settings.gamma)
    if isinstance(settings, AsymmetricLoss):
        # timm sums over all; ours is a mean, as the other losses are.
        asymmetric = AsymmetricLossMultiLabel(settings.gamma_absent, settings.gamma_present, settings.clip)
        return lambda logits, target: asymmetric(logits, target) / logits.numel()
    if isinstance(settings, LogitAdjustedLoss):
        # Menon et al. 2021: what the prevalence alone says is added in training, and so not learnt.
        odds = settings.tau * torch.logit(prevalence)
        return lambda logits, target: F.binary_cross_entropy_with_logits(logits + odds, target)
    weight = ((1 - prevalence) / prevalence).clamp(1, settings.max_pos_weight)
    return lambda logits, target: F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
