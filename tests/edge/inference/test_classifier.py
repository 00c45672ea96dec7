"""Scores do not depend on chunks, and a model that fails the golden check is refused."""

import io
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import AudioBlock
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import (
    DEFAULT_BUNDLE,
    GOLDEN_CLIP,
    GOLDEN_SCORES,
    MODEL,
    STREAM_BUNDLE,
    Bundle,
    load_bundle,
)
from anura_edge.inference.classifier import Classifier, Model, frames_in, make_framer
from anura_edge.inference.golden import golden_difference, score_all
from anura_edge.inference.loading import load_classifier
from anura_edge.inference.manifest import Label, StateTensor
from anura_edge.inference.providers import Provider

WriteBundle = Callable[..., Path]


@pytest.fixture(scope="module")
def bundles(stream_bundle: Bundle, window_bundle: Bundle, ahead_bundle: Bundle) -> dict[str, Bundle]:
    return {"stream": stream_bundle, "window": window_bundle, "ahead": ahead_bundle}


@pytest.fixture(scope="module")
def classifiers(bundles: dict[str, Bundle]) -> dict[str, Classifier]:
    return {kind: load_classifier(bundle) for kind, bundle in bundles.items()}


def score(classifier: Classifier, bundle: Bundle, chunks: Sequence[FloatArray], block_s: float) -> FloatArray:
    framer = make_framer(bundle.manifest, frames_in(bundle.manifest, block_s))
    classifier.reset()
    blocks = chain(chain.from_iterable(framer.feed(chunk) for chunk in chunks), framer.flush())
    return np.concatenate([classifier.score(block).probabilities for block in blocks])


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def wav(samples: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format="FLAC")
    return file.getvalue()


@settings(max_examples=25)
@given(
    st.sampled_from(["stream", "window", "ahead"]),
    st.integers(1, 40_000),
    st.lists(st.integers(0, 40_000), max_size=8),
    st.sampled_from([0.01, 0.25, 1.0, 60.0]),
)
def test_scores_do_not_depend_on_chunks_or_blocks(
    two_calls: Callable[..., FloatArray],
    classifiers: dict[str, Classifier],
    bundles: dict[str, Bundle],
    stream_model: Any,
    window_model: Any,
    ahead_model: Any,
    kind: str,
    count: int,
    at: list[int],
    block_s: float,
) -> None:
    audio = two_calls()[12_000:, 0][:count]
    found = score(classifiers[kind], bundles[kind], np.split(audio, sorted(min(i, count) for i in at)), block_s)
    reference = {"stream": stream_model, "window": window_model, "ahead": ahead_model}[kind].reference(audio)
    np.testing.assert_allclose(found, reference, atol=1e-5)


def test_batch_equals_single_windows(
    classifiers: dict[str, Classifier], window_bundle: Bundle, two_calls: Callable[..., FloatArray]
) -> None:
    audio, size, hop = two_calls()[:, 0], window_bundle.manifest.window_samples, window_bundle.manifest.hop_samples
    together = classifiers["window"].score(AudioBlock(audio, 0))
    assert (together.first_sample, together.hop_samples, together.frame_samples) == (0, hop, size)
    for frame, start in enumerate(range(0, len(audio) - size + 1, hop)):
        alone = classifiers["window"].score(AudioBlock(audio[start : start + size], start))
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[frame], atol=1e-6)
        np.testing.assert_allclose(alone.power[0], together.power[frame], rtol=1e-5)
        assert alone.first_sample == start


def test_power_is_the_mean_square_of_each_frame(bundle: Bundle, tone: Callable[..., FloatArray]) -> None:
    audio = tone(bundle.manifest.rate_hz, 2, amplitude=1.0)
    scores = load_classifier(bundle).score(AudioBlock(audio, 0))
    np.testing.assert_allclose(scores.power, 0.5, atol=1e-3)
    assert len(scores.power) == len(scores.probabilities)


def test_reset_begins_a_new_stream(
    classifiers: dict[str, Classifier], stream_bundle: Bundle, tone: Callable[..., FloatArray]
) -> None:
    loud, silence = tone(8_000, 1), np.zeros(8_000, np.float32)
    classifier = classifiers["stream"]
    classifier.reset()
    classifier.score(AudioBlock(loud, 0))
    assert classifier.score(AudioBlock(silence, 8_000)).probabilities[0, 0] > 0.5, "the state is kept"
    classifier.reset()
    assert classifier.score(AudioBlock(silence, 0)).probabilities.max() == 0


def test_next_block_does_not_change_earlier_scores(
    classifiers: dict[str, Classifier], tone: Callable[..., FloatArray]
) -> None:
    for classifier in classifiers.values():
        first = classifier.score(AudioBlock(tone(8_000, 1), 0))
        before = first.probabilities.copy(), first.power.copy()
        classifier.score(AudioBlock(np.zeros(8_000, np.float32), 8_000))
        np.testing.assert_array_equal(first.probabilities, before[0])
        np.testing.assert_array_equal(first.power, before[1])


def test_model_gives_its_golden_scores(bundle: Bundle) -> None:
    assert golden_difference(bundle, load_classifier(bundle)) < 1e-5


@pytest.mark.parametrize("path", sorted(DEFAULT_BUNDLE.parent.glob("*/")), ids=lambda path: path.name)
def test_shipped_bundle_gives_its_golden_scores(path: Path) -> None:
    shipped = load_bundle(path)
    assert golden_difference(shipped, load_classifier(shipped)) < shipped.manifest.golden_tolerance


@pytest.mark.parametrize("change", [0.01, -0.01, np.nan, np.inf])
def test_wrong_golden_scores_are_refused(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, stream_bundle: Bundle, change: float
) -> None:
    scores = stream_bundle.golden()[1].copy()
    scores[-1, -1] += change
    path = write_bundle(tmp_path / "bundle", stream_model, {GOLDEN_SCORES: npy(scores)})
    with pytest.raises(ModelError, match="scores of the golden clip differ"):
        load_classifier(load_bundle(path))


@pytest.mark.parametrize(
    "files",
    [
        {MODEL: b""},
        {MODEL: b"not a model"},
        {GOLDEN_SCORES: npy(np.zeros((3, 2), np.float32))},
        {GOLDEN_SCORES: npy(np.zeros(0, np.float32))},
        {GOLDEN_SCORES: b"not an array"},
        {GOLDEN_SCORES: npy(np.array([object()]))},
        {GOLDEN_CLIP: b"not a clip"},
        {GOLDEN_CLIP: wav(np.zeros(0), 8_000)},
        {GOLDEN_CLIP: wav(np.zeros((8_000, 2)), 8_000)},
        {GOLDEN_CLIP: wav(np.zeros(8_000), 16_000)},
    ],
    ids=lambda files: f"{next(iter(files))}-{len(next(iter(files.values())))}",
)
def test_damaged_content_with_valid_hashes_is_refused(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, files: dict[str, bytes]
) -> None:
    path = write_bundle(tmp_path / "bundle", stream_model, files)
    with pytest.raises(ModelError, match="bundle"):
        load_classifier(load_bundle(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"states": ()},
        {"states": (StateTensor(name="before", shape=(2, 2)),)},
        {"states": (StateTensor(name="after", shape=(1, 2)),)},
        {"kind": "window"},
        {"labels": (Label(code="LOW", scientific_name="L", threshold=0.5),)},
        {"window_samples": 400, "hop_samples": 400},
    ],
    ids=str,
)
def test_manifest_that_does_not_match_the_graph_is_refused(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, changes: dict[str, Any]
) -> None:
    path = write_bundle(tmp_path / "bundle", stream_model, **changes)
    with pytest.raises(ModelError, match="bundle"):
        load_classifier(load_bundle(path))


def test_scores_outside_0_to_1_are_refused(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, stream_bundle: Bundle
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(stream_model.graph)
    for initializer in model.graph.initializer:
        if initializer.name == "half":  # p = power / (power + half)
            initializer.CopyFrom(onnx.numpy_helper.from_array(np.float32(-0.1), "half"))
    clip = sf.read(stream_bundle.golden()[0], dtype="float32")[0]
    p = stream_model.reference(clip)
    power = p * 0.01 / (1 - p)
    files = {MODEL: model.SerializeToString(), GOLDEN_SCORES: npy((power / (power - 0.1)).astype(np.float32))}
    path = write_bundle(tmp_path / "bundle", stream_model, files)
    with pytest.raises(ModelError, match="probabilities"):
        load_classifier(load_bundle(path))


def test_external_weights_are_not_loaded(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(stream_model.graph)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size
    monkeypatch.chdir(tmp_path)  # the runtime looks for them here
    path = write_bundle(tmp_path / "bundle", stream_model, {MODEL: (tmp_path / "m.onnx").read_bytes()})
    with pytest.raises(ModelError, match="onnxruntime cannot load"):
        load_classifier(load_bundle(path))


@pytest.mark.parametrize("wanted", ["auto", "cpu", "cuda", "tensorrt"])
def test_missing_provider_is_replaced_by_the_cpu_with_a_warning(
    bundle: Bundle, wanted: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    used = load_classifier(bundle, provider=wanted).provider
    assert used == "cpu" or wanted in ("auto", used)
    assert (f"{wanted} is not available" in caplog.text) == (wanted not in ("auto", used))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_default_model_does_not_depend_on_chunks(
    default_model: tuple[Bundle, Model, FloatArray], steps: list[int]
) -> None:
    bundle, model, audio = default_model
    hop, frames = bundle.manifest.hop_samples, sum(steps)
    audio = np.resize(audio, frames * hop)
    expected = score_all(bundle, model, audio, frames)
    model.reset()
    audio = np.pad(audio, (0, bundle.manifest.lookahead_samples))
    at = np.cumsum([0, *steps, bundle.manifest.lookahead_samples // hop]) * hop
    parts = [model.score(AudioBlock(audio[a:b], a)).probabilities for a, b in pairwise(at.tolist())]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-4)


@pytest.fixture(scope="module")
def default_model() -> tuple[Bundle, Model, FloatArray]:
    bundle = load_bundle(STREAM_BUNDLE)
    return bundle, load_classifier(bundle), sf.read(bundle.golden()[0], dtype="float32")[0]
