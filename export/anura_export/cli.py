"""The command `anura-export`."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.errors import AnuraError
from anura_edge.inference.bundle import MANIFEST, Bundle, load_bundle
from anura_edge.inference.manifest import Parity
from anura_edge.inference.signature import SIGNATURE, sign
from anura_export.benchmark import measure as benchmark
from anura_export.benchmark.cost import InterleavedTimes, time_interleaved
from anura_export.bundles.build import export_bundle
from anura_export.bundles.difference import ProbabilityChanges, compare_bundles, summarise_parity
from anura_export.quantization.build import TIMING_S, quantize
from anura_export.quantization.calibration_clips import comparison_clips, describe, select_recordings
from anura_train.data import read_corpus

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

BundleOption = Annotated[Path, typer.Option("--bundle", help="A bundle's folder.")]
Data = Annotated[Path, typer.Option(help="Folder with recordings.csv, or with frogs/, background/ and esc10/.")]
OutOption = Annotated[Path, typer.Option(help="The bundle's folder; replaced once the new one has passed every check.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def root() -> None:
    """Turn a trained model into a bundle that a device can verify."""


@app.command()
def bundle(
    trained: Annotated[Path, typer.Option(help="The folder that `anura-train fit` and `evaluate` wrote.")],
    out: OutOption,
) -> None:
    """Export, prove parity (torch, ONNX Runtime, any chunking) and write model, manifest, card and golden scores.

    Example: anura-export bundle --trained build/train/student_stream --out build/models/student_stream
    """
    made, proof = export_bundle(trained, out)
    size_kb = sum((made.path / name).stat().st_size for name in made.manifest.files) / 1000
    typer.echo(
        f"{made.path}: {made.manifest.id} {made.manifest.version}, {size_kb:,.0f} kB; largest differences: "
        f"torch to ONNX {proof.torch_to_onnx:.1g}, chunked to whole {proof.chunked_to_whole:.1g}"
    )


@app.command("quantize")
def quantize_command(
    bundle: BundleOption,
    data: Data,
    out: OutOption,
    trained: Annotated[
        Path | None, typer.Option(help="What `fit` left for this bundle: int8 versions of its folds are judged too.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the int8 version of a bundle, and say whether it is faster, and how much it changes.

    Ranges come from some recordings of the data, with silence and clipping; the two are compared on others.

    Example: anura-export quantize --bundle build/models/resnet18 --data ../data --out build/models/resnet18-int8
    """
    made = quantize(load_bundle(bundle), read_corpus(data), out, trained)
    manifest = made.bundle.manifest
    if as_json:
        _print_json({"bundle": str(out), "verdict": made.verdict, "manifest": manifest.model_dump(mode="json")})
        return
    typer.echo("\n".join([f"{out}: {manifest.id} {manifest.version}", *made.verdict]))


@app.command("parity")
def parity_command(
    bundle: BundleOption,
    against: Annotated[Path, typer.Option(help="Another bundle with the same labels, rate and rows.")],
    data: Data,
    as_json: JsonOption = False,
) -> None:
    """Compare two bundles on recordings: change of each label's probability, decisions, time and size.

    Example: anura-export parity --bundle build/models/resnet18-int8 --against build/models/resnet18 --data ../data
    """
    pair = load_bundle(bundle), load_bundle(against)
    chosen = select_recordings(read_corpus(data)).compared
    found = compare_bundles(*pair, comparison_clips(chosen, pair[0].manifest.rate_hz))
    codes = [label.code for label in pair[0].manifest.labels]
    parity = summarise_parity(found.changes, codes, str(against), describe(chosen))
    times = time_interleaved(pair, budget_s=TIMING_S)
    if as_json:
        _print_json(_comparison(pair, parity, found, times))
        return
    typer.echo("\n".join(_lines(pair, parity, found, times)))


@app.command("bench")
def bench_command(
    bundle: Annotated[list[Path], typer.Option(help="A bundle's folder; repeatable.")],
    as_json: JsonOption = False,
) -> None:
    """Measure bundles side by side: speed on one and two threads, multiply-adds, size, cold start, memory.

    Example: anura-export bench --bundle build/models/resnet18 --bundle build/models/resnet18-int8
    """
    rows = benchmark.measure_bundles(bundle)
    if as_json:
        _print_json([asdict(row) for row in rows])
        return
    typer.echo(benchmark.table(rows))


@app.command("sign")
def sign_command(
    bundle: BundleOption,
    key: Annotated[Path, typer.Option(help="Ed25519 private key in PEM, without a password.")],
) -> None:
    """Sign a bundle, so that devices whose `model.public_key_file` is the key's other half use it.

    Example: anura-export sign --bundle build/models/student_stream --key key.pem
    """
    load_bundle(bundle)
    sign(bundle, (bundle / MANIFEST).read_bytes(), key)
    typer.echo(f"{bundle / SIGNATURE}")


def _comparison(
    pair: tuple[Bundle, Bundle], parity: Parity, found: ProbabilityChanges, times: InterleavedTimes
) -> dict[str, object]:
    return {
        "bundle": str(pair[0].path),
        "parity": parity.model_dump(mode="json"),
        "decisions": found.decisions,
        "decisions_changed": found.changed,
        "ms_per_audio_s": [1e3 * float(seconds) for seconds in times.medians],
        "times_as_long": times.ratio(0, to=1),
        "calls": len(times.seconds),
        "model_bytes": [len(each.model) for each in pair],
    }


def _lines(
    pair: tuple[Bundle, Bundle], parity: Parity, found: ProbabilityChanges, times: InterleavedTimes
) -> Iterable[str]:
    yield f"Change of a probability on {parity.audio}:"
    yield f"{'':<12}{'largest':>10}{'99 % below':>12}"
    for code, change in [("all", parity.overall), *parity.labels.items()]:
        yield f"{code:<12}{change.largest:>10.2g}{change.p99:>12.2g}"
    yield f"{found.changed} of {found.decisions} decisions change (is a label in this clip?)"
    for each, seconds in zip(pair, times.medians, strict=True):
        yield f"{each.path}: {1e3 * seconds:.2f} ms for a second of audio, {len(each.model) / 1e6:.2f} MB"
    yield f"{times.ratio(0, to=1):.2f} times as long, median of {len(times.seconds)} calls in turn on one thread"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def main() -> None:
    """Run the command; an error that we raise on purpose is a message and its exit code, not a traceback."""
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-export: {error}", err=True)
        sys.exit(error.exit_code)
