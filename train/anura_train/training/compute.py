"""Where and how trainings compute. Loads no torch, so that a command shows its help at once."""

from dataclasses import dataclass
from enum import StrEnum

MAX_WORKERS = 8


class Accelerator(StrEnum):
    """The kind of processor that trains."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """Precision of the computation in training; weights always have 32 bits."""

    FULL = "32-true"
    MIXED = "bf16-mixed"


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Where and how trainings compute."""

    accelerator: Accelerator = Accelerator.AUTO
    devices: int = 1
    """Devices that share one training."""
    precision: Precision = Precision.FULL
    tensorboard: bool = False
    workers: int | None = None
    """Threads that make examples ahead of a training; None means MAX_WORKERS for a GPU and none for a CPU."""
