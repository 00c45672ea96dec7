"""Losses for weak labels, which say what calls in an example, and for boxes, which say when and at which pitch."""

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
"""Takes logits (B, frames, labels), targets (B, labels) and, for networks with a grid, cells (B, frames, labels)."""

TOPK_SHARE = 0.3
"""Share of the frames that decide whether a species is in an example: it does not call in all of them."""

MIN_PREVALENCE = 1e-3
"""Lower limit for the prevalence of a label. Without it, the log-odds of a label in no example are not finite."""


def make_loss(settings: LossSettings, prevalence: Tensor) -> Loss:
    """Return the loss of a recipe; prevalence (labels,) is the share of examples with each label."""
    if isinstance(settings, TopKPoolingLoss):
        return lambda logits, target, _: weak_label_loss(logits, target)
    if isinstance(settings, BoxLoss):
        return lambda logits, target, cells: box_loss(logits, target, cells, settings)
    example = _example_loss(settings, prevalence.clamp(MIN_PREVALENCE, 1 - MIN_PREVALENCE))
    # A window model has one frame. Of several frames, the highest logit counts.
    return lambda logits, target, _: example(logits.amax(1), target)


def weak_label_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy of frames (B, frames, labels) against the labels of the example, (B, labels).

    For a present species only its highest frames count, so that frames between calls may stay low. An absent species
    is absent from all frames.
    """
    example = F.binary_cross_entropy_with_logits(topk_pooling(logits), target, reduction="none")
    absent = F.softplus(logits).mean(1)  # (B, labels)
    return (example + 0.5 * (1 - target) * absent).mean()


def topk_pooling(logits: Tensor) -> Tensor:
    """Return the mean logits (B, labels) of the highest TOPK_SHARE of the frames (B, frames, labels) of each label."""
    return logits.topk(max(1, int(TOPK_SHARE * logits.shape[1])), dim=1).values.mean(1)


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Return the cross-entropy with low weight on what is already right (Lin et al. 2017); all (B, labels)."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = (torch.sigmoid(logits) - target).abs()
    return (wrong**gamma * entropy).mean()


def box_loss(logits: Tensor, target: Tensor, cells: Tensor | None, settings: BoxLoss) -> Tensor:
    """Return the loss of each cell (B, cells, labels) in examples with boxes, and of the highest cell in others (NaN).

    It is cross-entropy, in which a cell with a call weighs `pos_weight` times an empty one, plus Dice (Milletari et al.
    2016).
    """
    if cells is None:
        raise ValueError("the loss of boxes needs cells; train a network with a grid")
    boxed = ~cells.isnan().any(2).any(1)  # (B,)
    weight = logits.new_tensor(settings.pos_weight)
    losses = logits.new_zeros(len(logits))
    if boxed.any():
        drawn, truth = logits[boxed], cells[boxed]
        entropy = F.binary_cross_entropy_with_logits(drawn, truth, pos_weight=weight, reduction="none").mean((1, 2))
        losses[boxed] = entropy + settings.dice_weight * dice_loss(drawn, truth)
    if not boxed.all():
        highest = F.binary_cross_entropy_with_logits(logits[~boxed].amax(1), target[~boxed], reduction="none")
        losses[~boxed] = highest.mean(1)
    return losses.mean()


def dice_loss(logits: Tensor, cells: Tensor) -> Tensor:
    """Return 1 - the overlap of scores and boxes, (B,), mean of the labels with boxes; both (B, cells, labels)."""
    scores = torch.sigmoid(logits)
    overlap = 2 * (scores * cells).sum(1) / (scores + cells).sum(1).clamp_min(1e-6)  # (B, labels)
    present = cells.amax(1) > 0  # (B, labels)
    return ((1 - overlap) * present).sum(1) / present.sum(1).clamp_min(1)


def _example_loss(
    settings: BceLoss | FocalLoss | AsymmetricLoss | LogitAdjustedLoss, prevalence: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a loss of logits and targets, both (B, labels)."""
    if isinstance(settings, FocalLoss):
        return lambda logits, target: focal_loss(logits, target, settings.gamma)
    if isinstance(settings, AsymmetricLoss):
        # timm returns the sum; the other losses here are means.
        asymmetric = AsymmetricLossMultiLabel(settings.gamma_absent, settings.gamma_present, settings.clip)
        return lambda logits, target: asymmetric(logits, target) / logits.numel()
    if isinstance(settings, LogitAdjustedLoss):
        # Menon et al. 2021: the log-odds of the prevalence are added in training, so the network need not learn them.
        odds = settings.tau * torch.logit(prevalence)
        return lambda logits, target: F.binary_cross_entropy_with_logits(logits + odds, target)
    weight = ((1 - prevalence) / prevalence).clamp(1, settings.max_pos_weight)
    return lambda logits, target: F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight)
