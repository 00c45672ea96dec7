"""What each network takes to export and to run: `python bench/models.py [--int8 DATA] [NAME ...]`.

Prints, for each of the networks that a recipe may name (all of them by default), untrained: the size of its graph, the
largest difference of a probability between torch and ONNX Runtime, the time and the peak memory of the export in a
process of its own, and the time for a second of audio on one thread. With --int8 and a folder of recordings also the
size and time of its int8 version; its scores mean nothing without training. `--keep FOLDER` keeps the bundles.
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
    """Export one network, and print what it took."""
    began = time.perf_counter()
    manifest = load_bundle(untrained_window_bundle(out, NETWORKS[name])).manifest
    found: dict[str, float] = {"export_s": time.perf_counter() - began, "peak_mb": peak_mb()}
    assert manifest.parity
    assert manifest.cost
    found |= {"parity": manifest.parity.overall.largest, **numbers(manifest.cost.model_dump(), "")}
    if data:
        made = quantize(load_bundle(out), read_corpus(data), out.with_name(f"{name}-int8"))
        assert made.bundle.manifest.cost
        found |= numbers(made.bundle.manifest.cost.model_dump(), "int8_") | {"ratio": made.ratio}
    print(json.dumps(found))


def numbers(cost: dict[str, float | str], prefix: str) -> dict[str, float]:
    """Return a cost's numbers under longer names."""
    return {prefix + key: value for key, value in cost.items() if not isinstance(value, str)}


def peak_mb() -> float:
    """Return this process's peak memory; not getrusage, whose peak includes that of the process that started us."""
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(peak) / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--int8", type=Path, metavar="DATA")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one[0], Path(given.one[1]), given.int8)
        return
    head = "| network | torch to ONNX | export s | peak MB | MMAC / s | MB | ms / s |"
    print(head + (" int8 MB | int8 time |" if given.int8 else ""))
    print("|---" + "|--:" * (8 if given.int8 else 6) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or NETWORKS:
            command = [sys.executable, __file__, "--one", name, str((given.keep or Path(folder)) / name)]
            command += ["--int8", str(given.int8)] if given.int8 else []
            r = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            line = (
                f"| {name} | {r['parity']:.1g} | {r['export_s']:.0f} | {r['peak_mb']:,.0f} | "
                f"{r['mmac_per_audio_s']:,.0f} | {r['model_bytes'] / 1e6:.1f} | {r['ms_per_audio_s']:.1f} |"
            )
            if given.int8:
                line += f" {r['int8_model_bytes'] / 1e6:.1f} | {r['ratio']:.2f} x |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
