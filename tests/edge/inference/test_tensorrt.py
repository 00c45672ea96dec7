"""A model on TensorRT is called with declared shapes only, and its scores are the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import AudioBlock
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Model
from anura_edge.inference.golden import golden_difference
from anura_edge.inference.loading import make_classifier, open_model
from anura_edge.inference.manifest import Manifest
from anura_edge.inference.tensorrt import STREAM_FRAMES, Session, engine_shapes, split_sizes, tensorrt_options

Shapes = dict[str, tuple[int, ...]]


@dataclass
class RecordingSession:
    """A CPU session that records the shapes of its inputs."""

    session: Session
    shapes: list[Shapes] = field(default_factory=list)

    def run(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        self.shapes.append({name: value.shape for name, value in feeds.items()})
        return self.session.run(outputs, feeds)


@pytest.fixture(scope="module")
def recorded(stream_bundle: Bundle, window_bundle: Bundle) -> dict[str, tuple[RecordingSession, Model, Bundle, Model]]:
    models = {}
    for bundle in (stream_bundle, window_bundle):
        session = RecordingSession(ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"]))
        fixed = make_classifier(session, bundle.manifest, "tensorrt")
        models[bundle.manifest.kind] = session, fixed, bundle, open_model(bundle, provider="cpu")
    return models


@settings(max_examples=40)
@given(frames=st.lists(st.integers(1, 300), min_size=1, max_size=4), kind=st.sampled_from(["stream", "window"]))
def test_calls_have_declared_shapes_and_equal_scores(
    recorded: dict[str, tuple[RecordingSession, Model, Bundle, Model]], frames: Sequence[int], kind: str
) -> None:
    session, fixed, bundle, plain = recorded[kind]
    m: Manifest = bundle.manifest
    session.shapes.clear()
    fixed.reset()
    plain.reset()
    noise = np.random.default_rng(sum(frames))
    for count in frames:
        count = count if kind == "stream" else 1 + count % 40
        size = m.window_samples + (count - 1) * m.hop_samples
        block = AudioBlock(noise.normal(0, 0.1, size).astype(np.float32), 0)
        expected, found = plain.score(block), fixed.score(block)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_array_equal(found.power, expected.power)
    assert all(each in engine_shapes(m) for each in session.shapes)


def test_golden_scores_are_met_with_declared_shapes(
    recorded: dict[str, tuple[RecordingSession, Model, Bundle, Model]],
) -> None:
    for session, fixed, bundle, _ in recorded.values():
        session.shapes.clear()
        assert golden_difference(bundle, fixed) < 1e-5
        assert all(each in engine_shapes(bundle.manifest) for each in session.shapes)
        assert session.shapes


@given(frames=st.integers(0, 1_000))
def test_split_sizes_add_up(frames: int) -> None:
    sizes = [*split_sizes(frames, STREAM_FRAMES)]
    assert sum(sizes) == frames
    assert set(sizes) <= set(STREAM_FRAMES)


def test_options_name_the_smallest_and_largest_shape(stream_bundle: Bundle, window_bundle: Bundle) -> None:
    options = tensorrt_options(stream_bundle)
    assert options == {
        "trt_profile_min_shapes": "audio:1x800,before:1x1x2",
        "trt_profile_opt_shapes": "audio:1x102400,before:1x1x2",
        "trt_profile_max_shapes": "audio:1x102400,before:1x1x2",
    }
    quantized = stream_bundle.manifest.model_copy(update={"precision": "int8"})
    assert tensorrt_options(replace(stream_bundle, manifest=quantized)) == {**options, "trt_int8_enable": "1"}
    assert tensorrt_options(window_bundle)["trt_profile_max_shapes"] == "audio:16x8000"
