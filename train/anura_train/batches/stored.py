"""Examples that are made once and used many times, stored as a network's features and a teacher's embeddings.

Making an example, the frozen layers of a student and a whole teacher take much longer than a step of a small student.
The examples of a part are made from the recordings of one fold only. So a training that must not learn from a fold
leaves out its part, and no example is made twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.batches.loader import Batch, MapFunction
from anura_train.checkpoints.files import replace_file


@dataclass(frozen=True, slots=True, eq=False)
class StoredPart:
    """The examples of one fold."""

    features: NDArray[np.float16]
    """Features of the student, (examples, ...), mapped from the disk."""
    embeddings: FloatArray
    """Embeddings of the teacher, (examples, EMBEDDING)."""
    targets: FloatArray
    """Which species are in an example, (examples, labels)."""


def write_part(path: Path, identity: str, part: StoredPart) -> None:
    """Write PATH.features.npy and PATH.npz; the second names what the part was made from."""
    with replace_file(path.with_suffix(".features.npy")) as temporary, temporary.open("wb") as file:
        np.save(file, part.features)
    with replace_file(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
        np.savez(file, identity=identity, embeddings=part.embeddings, targets=part.targets)


def read_part(path: Path, identity: str) -> StoredPart | None:
    """Read a part; None when there is none, or it was made from something else."""
    try:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as saved:
            if str(saved["identity"]) != identity:
                return None
            features = np.load(path.with_suffix(".features.npy"), mmap_mode="r", allow_pickle=False)
            return StoredPart(features, saved["embeddings"], saved["targets"])
    except FileNotFoundError:
        return None


class StoredExamples:
    """Draws stored examples at random."""

    def __init__(self, parts: Sequence[StoredPart], teacher_logits: FloatArray, rng: np.random.Generator) -> None:
        """Take the parts, and a teacher's logits of all their examples in order, (examples, labels)."""
        self.parts, self.teacher_logits, self.rng = parts, teacher_logits, rng
        self.targets = np.concatenate([part.targets for part in parts])
        self._ends = np.cumsum([len(part.targets) for part in parts])

    @property
    def epoch_size(self) -> int:
        """Number of examples."""
        return len(self.targets)

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label, (labels,)."""
        return np.asarray(self.targets.mean(0), np.float32)

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:  # noqa: ARG002  # the steps do not differ
        """Return the examples of a step."""
        return self.select(self.rng.integers(self.epoch_size, size=size))

    def select(self, chosen: NDArray[np.int64]) -> Batch:
        """Return the examples with the given numbers."""
        targets = self.targets[chosen]
        return Batch(
            np.zeros((len(chosen), 0), np.float32),
            targets,
            call_mask=targets.max(1, keepdims=True),
            features=np.stack([self._features(int(number)) for number in chosen]).astype(np.float32),
            teacher_logits=self.teacher_logits[chosen],
        )

    def _features(self, number: int) -> NDArray[np.float16]:
        part = int(np.searchsorted(self._ends, number, side="right"))
        return np.asarray(self.parts[part].features[number - self._ends[part]])
