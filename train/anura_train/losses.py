"""Losses for labels that say what calls in an example, not when."""

import torch.nn.functional as F
from torch import Tensor

PRESENT_SHARE = 0.3
"""Share of an example's rows that decide whether a species is there: it calls in most of an example, not in all."""


def weak_label_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of rows (B, rows, labels) against what the example holds, (B, labels).

    A species that is there is judged by its surest rows, so that rows between calls may stay low. A species that is
    not there is not there in any row.
    """
    surest = logits.topk(max(1, int(PRESENT_SHARE * logits.shape[1])), dim=1).values.mean(1)  # (B, labels)
    example = F.binary_cross_entropy_with_logits(surest, target, reduction="none")
    absent = F.softplus(logits).mean(1)  # (B, labels)
    return (example + 0.5 * (1 - target) * absent).mean()
