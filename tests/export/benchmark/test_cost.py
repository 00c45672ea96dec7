"""Multiply-adds equal torch's count, and times of bundles are measured in one run."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from anura_edge.inference.bundle import Bundle
from anura_edge.inference.manifest import StateTensor
from anura_export.benchmark.cost import multiply_adds, time_interleaved
from anura_export.bundles.onnx_graph import to_onnx
from anura_export.cli import app
from anura_export.quantization.build import QuantizedBundle
from anura_train.benchmark.cost import LABEL_COUNT, measure_cost
from anura_train.models import build_network
from anura_train.models.settings import CrnnSettings, ModelSettings, StreamSettings
from anura_train.models.stream import StreamNet


@pytest.mark.parametrize(
    "settings",
    [
        StreamSettings(kind="stream", width=8, hidden=16, dropout=0.0),
        CrnnSettings(kind="crnn", width=4, hidden=8, dropout=0.0),
    ],
    ids=lambda settings: settings.kind,
)
def test_multiply_adds_equal_torch(bundle: Bundle, settings: ModelSettings) -> None:
    model = build_network(settings, LABEL_COUNT).eval()
    streams = isinstance(model, StreamNet)
    states = tuple(StateTensor(name=name, shape=shape) for name, shape in model.state_shapes.items()) if streams else ()
    changes = {
        "kind": "stream" if streams else "window",
        "states": states,
        "window_samples": model.window_samples,
        "hop_samples": model.hop_samples,
    }
    made = replace(bundle, model=to_onnx(model), manifest=bundle.manifest.model_copy(update=changes))
    assert multiply_adds(made) / 1e6 == pytest.approx(measure_cost(settings).mmac_per_s, rel=0.01)


def test_quantization_does_not_change_multiply_adds(bundle: Bundle, quantized: QuantizedBundle) -> None:
    assert multiply_adds(bundle) == multiply_adds(quantized.bundle)


def test_ratio_of_a_bundle_to_itself_is_one(bundle: Bundle) -> None:
    times = time_interleaved([bundle, bundle], budget_s=0.01)
    assert times.ratio(0, to=0) == 1
    assert times.medians.shape == (2,)
    assert (times.medians > 0).all()


def test_bench_lists_every_bundle(bundle: Bundle, quantized: QuantizedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anura_export.benchmark.measure.STARTS", 1)
    command = ["bench", "--bundle", str(bundle.path), "--bundle", str(quantized.bundle.path)]
    rows = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert [(row["bundle"], row["precision"]) for row in rows] == [("bundle", "float32"), ("int8", "int8")]
    for row in rows:
        assert min(*row["ms_per_audio_s"], row["mmac_per_audio_s"], row["cold_start_s"], row["peak_mb"]) > 0
    table = CliRunner().invoke(app, command).stdout
    assert "| int8 | int8 |" in table
