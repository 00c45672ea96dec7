"""Measures several bundles: speed, multiply-adds, size, cold start and memory."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import load_bundle
from anura_edge.inference.loading import load_classifier
from anura_export.benchmark.cost import multiply_adds, time_interleaved

THREADS = (1, 2)
STARTS = 3
BUDGET_S = 2.0


@dataclass(frozen=True, slots=True)
class BundleFigures:
    """The measurements of one bundle."""

    bundle: str
    precision: str
    ms_per_audio_s: tuple[float, ...]
    """For each number of THREADS: the median of many alternating calls."""
    mmac_per_audio_s: float
    kb: float
    """Size of the model file."""
    cold_start_s: float
    """From the start of a process to its first score, with the check of the golden clip; median of STARTS."""
    peak_mb: float
    """Peak memory of that process."""

    @property
    def times_real_time(self) -> tuple[float, ...]:
        """Seconds of audio in a second, for each of THREADS."""
        return tuple(1e3 / ms for ms in self.ms_per_audio_s)


def measure_bundles(paths: Sequence[Path]) -> list[BundleFigures]:
    """Measure bundles. Calls and starts alternate, so that other work on the machine affects all equally."""
    bundles = [load_bundle(path) for path in paths]
    for bundle in bundles:
        load_classifier(bundle)
    medians = np.array([time_interleaved(bundles, threads, BUDGET_S).medians for threads in THREADS])
    starts = np.array([[_start(path) for path in paths] for _ in range(STARTS)])  # (starts, bundles, 2)
    cold_s, peaks_mb = np.median(starts, axis=0).T
    return [
        BundleFigures(
            bundle=bundle.path.name,
            precision=bundle.manifest.precision,
            ms_per_audio_s=tuple(float(seconds) for seconds in 1e3 * medians[:, index]),
            mmac_per_audio_s=multiply_adds(bundle) / 1e6,
            kb=len(bundle.model) / 1e3,
            cold_start_s=float(cold_s[index]),
            peak_mb=float(peaks_mb[index]),
        )
        for index, bundle in enumerate(bundles)
    ]


def table(rows: Sequence[BundleFigures]) -> str:
    """Return the measurements as a Markdown table."""
    threads = " | ".join(f"x real time, {count} thread{'s' * (count > 1)} | ms / s" for count in THREADS)
    lines = [f"| bundle | precision | {threads} | MMAC / s | kB | cold start, s | peak MB |"]
    lines.append("|---|---|" + "--:|--:|" * len(THREADS) + "--:|--:|--:|--:|")
    for row in rows:
        speeds = " | ".join(
            f"{times:,.1f} | {ms:,.2f}" for times, ms in zip(row.times_real_time, row.ms_per_audio_s, strict=True)
        )
        lines.append(
            f"| {row.bundle} | {row.precision} | {speeds} | {row.mmac_per_audio_s:,.0f} | {row.kb:,.0f} | "
            f"{row.cold_start_s:.2f} | {row.peak_mb:,.0f} |"
        )
    return "\n".join(lines)


def _start(path: Path) -> tuple[float, float]:
    """Return the seconds from the start of a new process to its first score, and its peak memory in MB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "anura_export.benchmark.cold_start", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
        line = process.stdout.readline() if process.stdout else ""
        elapsed_s = time.perf_counter() - start
    if process.returncode:
        raise ModelError(f"{path} could not be loaded in a new process; run `anura-edge model verify {path}`")
    return elapsed_s, float(line)
