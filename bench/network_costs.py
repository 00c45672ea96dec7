"""Cost of exporting and running each network: `python bench/network_costs.py [--int8 DATA] [NAME ...]`.

Prints for each network that a recipe can name (default: all), untrained: the size of its graph, the largest difference
of a score between torch and ONNX Runtime, time and peak memory of the export in its own process, and the time for a
second of audio on one thread. With --int8 and a folder of recordings also the size and time of its int8 version. The
scores of an untrained network mean nothing. `--keep FOLDER` stores the bundles.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anura_edge.inference.bundle import load_bundle
from anura_export.bundles.untrained import NETWORKS, untrained_window_bundle
from anura_export.quantization.build import quantize
from anura_train.data import read_corpus


def measure(name: str, out: Path, data: Path | None) -> None:
    """Export one network, and print the figures."""
    began = time.perf_counter()
    manifest = load_bundle(untrained_window_bundle(out, NETWORKS[name])).manifest
    figures: dict[str, float] = {"export_s": time.perf_counter() - began, "peak_mb": peak_mb()}
    assert manifest.parity
    assert manifest.cost
    figures |= {"parity": manifest.parity.overall.largest, **numbers(manifest.cost.model_dump(), "")}
    if data:
        quantized = quantize(load_bundle(out), read_corpus(data), out.with_name(f"{name}-int8"))
        assert quantized.bundle.manifest.cost
        figures |= numbers(quantized.bundle.manifest.cost.model_dump(), "int8_") | {"ratio": quantized.ratio}
    print(json.dumps(figures))


def numbers(cost: dict[str, float | str], prefix: str) -> dict[str, float]:
    """Return the numbers of a cost, with a prefix before their names."""
    return {prefix + key: value for key, value in cost.items() if not isinstance(value, str)}


def peak_mb() -> float:
    """Return this process's peak memory. Not from getrusage, whose peak includes the parent process."""
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(peak) / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--int8", type=Path, metavar="DATA")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], Path(options.one[1]), options.int8)
        return
    head = "| network | torch to ONNX | export s | peak MB | MMAC / s | MB | ms / s |"
    print(head + (" int8 MB | int8 time |" if options.int8 else ""))
    print("|---" + "|--:" * (8 if options.int8 else 6) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names or NETWORKS:
            command = [sys.executable, __file__, "--one", name, str((options.keep or Path(folder)) / name)]
            command += ["--int8", str(options.int8)] if options.int8 else []
            r = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            line = (
                f"| {name} | {r['parity']:.1g} | {r['export_s']:.0f} | {r['peak_mb']:,.0f} | "
                f"{r['mmac_per_audio_s']:,.0f} | {r['model_bytes'] / 1e6:.1f} | {r['ms_per_audio_s']:.1f} |"
            )
            if options.int8:
                line += f" {r['int8_model_bytes'] / 1e6:.1f} | {r['ratio']:.2f} x |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
