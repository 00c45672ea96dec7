"""Losses for labels that say what calls in an example, not when."""

import torch
import torch.nn.functional as F
from torch import Tensor


def weak_label_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of rows (B, rows, labels) against what the example holds, (B, labels).

    A species that is there is judged by its pooled probability, linear softmax (Wang, Li, Metze 2019): sure rows count
    most, and rows between calls may stay low. A species that is not there is not there in any row.
    """
    probabilities = torch.sigmoid(logits)
    pooled = probabilities.square().sum(1) / probabilities.sum(1).clamp_min(1e-6)  # (B, labels)
    present = F.binary_cross_entropy(pooled.clamp(1e-6, 1 - 1e-6), target, reduction="none")
    absent = F.softplus(logits).mean(1)  # (B, labels)
    return (present + (1 - target) * absent).mean()
