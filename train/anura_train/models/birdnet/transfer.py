"""BirdNET's embedding with a head for other labels, and BirdNET's logits of the same species as a prior.

The head is linear in the square root of the embedding. The embedding's values are means after a ReLU, and the root
makes loud and faint calls more alike. A label that BirdNET knows also has BirdNET's own logit. Five weights, the same
for all labels, combine these to the logit of a calibrated probability: with about five recordings per label, weights
for each label could not be learnt.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from anura_train.models.birdnet.network import EMBEDDING, BirdnetBody, drop_blocks

MIN_PRIOR = -8.0
"""Lower limit of BirdNET's logits: below it they only separate silence from noise."""

NO_PRIOR = MIN_PRIOR - 1
"""Stands for the logit of a label that BirdNET does not know, when it is compared with others."""

SPECIES_PER_LABEL = 4
"""Largest number of BirdNET's species that one label may stand for."""

TERMS = ("score", "score_margin", "prior", "prior_margin", "known")
"""The terms of a logit: the head's score, BirdNET's logit, the distance of each to the highest of the other labels, and
1 for a label that BirdNET knows. A label that it does not know has 0 in the last three."""


class BirdnetTransfer(nn.Module):
    """The network between BirdNET's features and the logits of the labels."""

    known: Tensor
    term_weights: Tensor
    term_offset: Tensor

    def __init__(self, labels: int, dropped_blocks: Collection[int] = ()) -> None:
        """Build the network without some residual blocks. Raises ModelError for a block that is not residual."""
        super().__init__()
        self.body = BirdnetBody(labels * SPECIES_PER_LABEL)
        drop_blocks(self.body, dropped_blocks)
        self.head = nn.Linear(EMBEDDING, labels)
        self.register_buffer("known", torch.zeros(labels))
        self.register_buffer("term_weights", torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]))
        self.register_buffer("term_offset", torch.zeros(()))

    @torch.no_grad()
    def set_prior(self, birdnet: BirdnetBody, rows: Sequence[Sequence[int]]) -> None:
        """Copy the weights of BirdNET, and for each label the rows of its head; no rows for a label it lacks."""
        for label, own in enumerate(rows):
            self.known[label] = float(bool(own))
            # The last row is repeated, which does not change the maximum.
            for place in range(SPECIES_PER_LABEL if own else 0):
                row, source = label * SPECIES_PER_LABEL + place, own[min(place, len(own) - 1)]
                self.body.head.weight[row] = birdnet.head.weight[source]
                self.body.head.bias[row] = birdnet.head.bias[source]

    def scores(self, embeddings: Tensor) -> Tensor:
        """Return the head's scores (B, labels) of embeddings (B, EMBEDDING)."""
        scores: Tensor = self.head(torch.sqrt(embeddings))
        return scores

    def priors(self, embeddings: Tensor) -> Tensor:
        """Return BirdNET's logit of each label, (B, labels): the highest where several of its species are one label."""
        logits: Tensor = self.body.head(embeddings)
        # The number of labels is known, so that the exported graph takes any number of windows.
        highest = logits.reshape(-1, self.known.numel(), SPECIES_PER_LABEL).amax(2)
        return torch.where(self.known > 0, highest.clamp_min(MIN_PRIOR), NO_PRIOR)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, 2, MELS, FRAMES)."""
        return self.logits(self.body.embeddings(features)).unsqueeze(1)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return logits (B, labels) of embeddings (B, EMBEDDING)."""
        terms = make_terms(self.scores(embeddings), self.priors(embeddings), self.known)
        return terms @ self.term_weights + self.term_offset


def make_terms(scores: Tensor, priors: Tensor, known: Tensor) -> Tensor:
    """Return TERMS, (B, labels, 5), of scores and priors, both (B, labels); `known` has the shape (labels,)."""
    of_prior = torch.stack([priors, margin(priors), torch.ones_like(priors)], 2) * known[:, None]
    return torch.cat([torch.stack([scores, margin(scores)], 2), of_prior], 2)


def margin(values: Tensor) -> Tensor:
    """Return each value (B, labels) minus the highest of the others; zeros for a single label."""
    if values.shape[1] == 1:
        return torch.zeros_like(values)
    highest, second = values.topk(2, dim=1).values.chunk(2, 1)
    return values - torch.where(values == highest, second, highest)
