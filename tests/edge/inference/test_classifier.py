"""A model proves itself on its golden clip, and scores the same audio the same however it comes."""

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
    Bundle,
    Label,
    StateTensor,
    load_bundle,
)
from anura_edge.inference.classifier import (
    Classifier,
    Model,
    frames_in,
    golden_difference,
    load_classifier,
    make_framer,
    score_all,
)
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
    windows = chain(chain.from_iterable(framer.feed(chunk) for chunk in chunks), framer.flush())
    return np.concatenate([classifier.score(window).probabilities for window in windows])


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
    sound = two_calls()[12_000:, 0][:count]
    found = score(classifiers[kind], bundles[kind], np.split(sound, sorted(min(i, count) for i in at)), block_s)
    reference = {"stream": stream_model, "window": window_model, "ahead": ahead_model}[kind].reference(sound)
    np.testing.assert_allclose(found, reference, atol=1e-5)


def test_a_batch_of_windows_is_its_windows_one_by_one(
    classifiers: dict[str, Classifier], window_bundle: Bundle, two_calls: Callable[..., FloatArray]
) -> None:
    sound, size, hop = two_calls()[:, 0], window_bundle.manifest.window_samples, window_bundle.manifest.hop_samples
    together = classifiers["window"].score(AudioBlock(sound, 0))
    assert (together.first_sample, together.hop_samples, together.frame_samples) == (0, hop, size)
    for row, start in enumerate(range(0, len(sound) - size + 1, hop)):
        alone = classifiers["window"].score(AudioBlock(sound[start : start + size], start))
        np.testing.assert_allclose(alone.probabilities[0], together.probabilities[row], atol=1e-6)
        np.testing.assert_allclose(alone.power[0], together.power[row], rtol=1e-5)
        assert alone.first_sample == start


def test_power_is_the_mean_square_of_each_row(bundle: Bundle, tone: Callable[..., FloatArray]) -> None:
    sound = tone(bundle.manifest.rate_hz, 2, amplitude=1.0)
    scores = load_classifier(bundle).score(AudioBlock(sound, 0))
    np.testing.assert_allclose(scores.power, 0.5, atol=1e-3)
    assert len(scores.power) == len(scores.probabilities)


def test_a_reset_begins_a_new_stream(
    classifiers: dict[str, Classifier], stream_bundle: Bundle, tone: Callable[..., FloatArray]
) -> None:
    loud, silence = tone(8_000, 1), np.zeros(8_000, np.float32)
    classifier = classifiers["stream"]
    classifier.reset()
    classifier.score(AudioBlock(loud, 0))
    assert classifier.score(AudioBlock(silence, 8_000)).probabilities[0, 0] > 0.5, "it remembers"
    classifier.reset()
    assert classifier.score(AudioBlock(silence, 0)).probabilities.max() == 0


def test_scores_outlive_the_next_window(classifiers: dict[str, Classifier], tone: Callable[..., FloatArray]) -> None:
    for classifier in classifiers.values():
        first = classifier.score(AudioBlock(tone(8_000, 1), 0))
        before = first.probabilities.copy(), first.power.copy()
        classifier.score(AudioBlock(np.zeros(8_000, np.float32), 8_000))
        np.testing.assert_array_equal(first.probabilities, before[0])
        np.testing.assert_array_equal(first.power, before[1])


def test_a_sound_model_gives_its_golden_scores(bundle: Bundle) -> None:
    assert golden_difference(bundle, load_classifier(bundle)) < 1e-5


@pytest.mark.parametrize("change", [0.01, -0.01, np.nan, np.inf])
def test_other_golden_scores_are_refused(
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
def test_damage_that_the_hashes_cover_up_is_a_model_error(
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
def test_a_manifest_that_does_not_fit_its_graph_is_a_model_error(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, changes: dict[str, Any]
) -> None:
    path = write_bundle(tmp_path / "bundle", stream_model, **changes)
    with pytest.raises(ModelError, match="bundle"):
        load_classifier(load_bundle(path))


def test_a_model_that_gives_no_probabilities_is_refused(
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


def test_weights_in_a_file_outside_the_graph_are_not_loaded(
    tmp_path: Path, write_bundle: WriteBundle, stream_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(stream_model.graph)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size
    monkeypatch.chdir(tmp_path)  # where a careless loader would find them
    path = write_bundle(tmp_path / "bundle", stream_model, {MODEL: (tmp_path / "m.onnx").read_bytes()})
    with pytest.raises(ModelError, match="onnxruntime cannot load"):
        load_classifier(load_bundle(path))


@pytest.mark.parametrize("wanted", ["auto", "cpu", "cuda", "tensorrt"])
def test_the_cpu_takes_the_place_of_a_provider_that_is_not_there_and_that_is_said(
    bundle: Bundle, wanted: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    used = load_classifier(bundle, provider=wanted).provider
    assert used == "cpu" or wanted in ("auto", used)
    assert (f"{wanted} is not available" in caplog.text) == (wanted not in ("auto", used))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_the_default_model_hears_the_same_in_any_chunks_as_in_one(
    default_model: tuple[Bundle, Model, FloatArray], steps: list[int]
) -> None:
    bundle, model, sound = default_model
    hop, rows = bundle.manifest.hop_samples, sum(steps)
    sound = np.resize(sound, rows * hop)
    whole = score_all(bundle, model, sound, rows)
    model.reset()
    sound = np.pad(sound, (0, bundle.manifest.lookahead_samples))
    at = np.cumsum([0, *steps, bundle.manifest.lookahead_samples // hop]) * hop
    parts = [model.score(AudioBlock(sound[a:b], a)).probabilities for a, b in pairwise(at.tolist())]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)


@pytest.fixture(scope="module")
def default_model() -> tuple[Bundle, Model, FloatArray]:
    bundle = load_bundle(DEFAULT_BUNDLE)
    return bundle, load_classifier(bundle), sf.read(bundle.golden()[0], dtype="float32")[0]
