"""Chooses the pieces of audio whose labels would teach a model most.

A piece is worth a label if the model is undecided about it (Lewis and Gale 1994), and if it differs from the pieces
that are chosen already (Sener and Savarese 2018). The product of both chooses the next piece.
"""

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray


def uncertainty(probabilities: FloatArray) -> FloatArray:
    """Return for probabilities (..., labels) how undecided a model is about its most doubtful label, (...).

    1 is a probability of one half, 0 is certainty.
    """
    return np.asarray((1 - np.abs(2 * probabilities - 1)).max(-1), np.float32)


def rank(doubt: FloatArray, embeddings: FloatArray, count: int) -> list[int]:
    """Return the numbers of up to `count` pieces, the most useful first.

    `doubt` (pieces,) is their uncertainty, `embeddings` have the shape (pieces, dimensions). Of pieces that are equally
    useful, the first is chosen. A piece that equals a chosen one is useful only when all others are chosen.
    """
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    directions = np.divide(embeddings, norms, out=np.zeros_like(embeddings), where=norms > 0)
    distance = np.ones(len(doubt))
    left = np.ones(len(doubt), bool)
    chosen: list[int] = []
    for _ in range(min(count, len(doubt))):
        best = int(np.argmax(np.where(left, doubt * distance, -1.0)))
        chosen.append(best)
        left[best] = False
        distance = np.minimum(distance, _cosine_distance(directions, directions[best]))
    return chosen


def _cosine_distance(directions: FloatArray, to: FloatArray) -> NDArray[np.float64]:
    """Return the distance of unit vectors (pieces, dimensions) to one of them, (pieces,): 0 for the same direction."""
    return np.clip(1.0 - directions.astype(np.float64) @ to.astype(np.float64), 0.0, 1.0)
