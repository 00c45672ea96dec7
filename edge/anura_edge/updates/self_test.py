"""Tries a bundle in a process of its own, with limits on time and memory, and measures its speed.

As a program it loads the bundle named by its argument, checks the golden clip and prints what it measured as JSON.
"""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from anura_edge.errors import AnuraError, ModelError

MAX_SECONDS = 120.0
"""Loading a model and scoring its golden clip takes a few seconds on a single-board computer."""

MAX_MEMORY_BYTES = 4 << 30
"""Address space, of which onnxruntime reserves more than it uses."""

_MEASURED_S = 0.2
"""Processor time of a measurement. Some systems count it in steps of 10 ms."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What the self-test of a bundle measured."""

    difference: float
    """Largest difference of a golden score."""
    s_per_audio_s: float
    """Processor time for a second of audio."""


def self_test(bundle: Path) -> SelfTest:
    """Try a bundle. The caller goes on, whatever the model does.

    Raises ModelError if it crashes, does not end, takes too much memory, or if its scores are not the golden ones.
    """
    command = [sys.executable, "-m", "anura_edge.updates.self_test", str(bundle), str(MAX_MEMORY_BYTES)]
    try:
        done = subprocess.run(  # noqa: S603 (our own program)
            command, capture_output=True, text=True, timeout=MAX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{bundle}: its self-test did not end within {MAX_SECONDS:.0f} s; do not use it") from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"the process ended with {done.returncode}"]
        raise ModelError(f"{bundle}: its self-test failed: {reason[0]}")
    return SelfTest(**json.loads(done.stdout.splitlines()[-1]))


def main(bundle: Path, memory_bytes: int) -> None:
    """Measure a bundle in this process, and print the result."""
    os.nice(10)  # a device that analyses audio meanwhile goes first
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (round(MAX_SECONDS), round(MAX_SECONDS)))
    import soundfile as sf

    from anura_edge.inference.bundle import GOLDEN_CLIP, load_bundle
    from anura_edge.inference.golden import golden_difference
    from anura_edge.inference.loading import load_classifier

    loaded = load_bundle(bundle)
    classifier = load_classifier(loaded)
    rounds, began_s = 0, time.process_time()
    while not rounds or time.process_time() - began_s < _MEASURED_S:
        difference = golden_difference(loaded, classifier)
        rounds += 1
    used_s = time.process_time() - began_s
    seconds = sf.info(loaded.path / GOLDEN_CLIP).duration
    sys.stdout.write(json.dumps({"difference": difference, "s_per_audio_s": used_s / rounds / seconds}) + "\n")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except (AnuraError, MemoryError) as error:
        sys.exit(str(error) or "not enough memory")
