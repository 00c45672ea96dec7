"""Loads a model as a device does, in a new process: `python -m anura_export.benchmark.cold_start BUNDLE`.

Prints one line after the first score: the peak memory of the process in MB.
"""

import re
import sys
from pathlib import Path

import numpy as np

from anura_edge.dsp.framer import AudioBlock
from anura_edge.inference.bundle import load_bundle
from anura_edge.inference.loading import load_classifier


def main(path: Path) -> None:
    """Load and verify a bundle, and score one window."""
    bundle = load_bundle(path)
    load_classifier(bundle).score(AudioBlock(np.zeros(bundle.manifest.window_samples, np.float32), 0))
    # Not getrusage: its peak includes that of the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    sys.stdout.write(f"{int(peak) / 1024:.1f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
