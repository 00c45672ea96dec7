"""A model on TensorRT is asked in declared shapes only, and says what it would say if it were asked all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import AudioBlock
from anura_edge.inference.bundle import Bundle, Manifest
from anura_edge.inference.classifier import Model, golden_difference, make_classifier, open_model
from anura_edge.inference.tensorrt import STREAM_FRAMES, Session, engine_shapes, split_sizes, tensorrt_options

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Watched:
    """A session on the CPU that remembers in which shapes it was asked."""

    session: Session
    asked: list[Shapes] = field(default_factory=list)

    def run(self, outputs: list[str], feeds: dict[str, FloatArray]) -> list[FloatArray]:
        self.asked.append({name: value.shape for name, value in feeds.items()})
        return self.session.run(outputs, feeds)


@pytest.fixture(scope="module")
def watched(stream_bundle: Bundle, window_bundle: Bundle) -> dict[str, tuple[Watched, Model, Bundle, Model]]:
    made = {}
    for bundle in (stream_bundle, window_bundle):
        session = Watched(ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"]))
        fixed = make_classifier(session, bundle.manifest, "tensorrt")
        made[bundle.manifest.kind] = session, fixed, bundle, open_model(bundle, provider="cpu")
    return made


@given(rows=st.lists(st.integers(1, 300), min_size=1, max_size=4), kind=st.sampled_from(["stream", "window"]))
def test_whatever_is_asked_for_comes_in_declared_shapes_and_is_the_same(
    watched: dict[str, tuple[Watched, Model, Bundle, Model]], rows: Sequence[int], kind: str
) -> None:
    session, fixed, bundle, free = watched[kind]
    m: Manifest = bundle.manifest
    session.asked.clear()
    fixed.reset()
    free.reset()
    noise = np.random.default_rng(sum(rows))
    for count in rows:
        count = count if kind == "stream" else 1 + count % 40
        size = m.window_samples + (count - 1) * m.hop_samples
        window = AudioBlock(noise.normal(0, 0.1, size).astype(np.float32), 0)
        expected, found = free.score(window), fixed.score(window)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_array_equal(found.power, expected.power)
    assert all(shapes in engine_shapes(m) for shapes in session.asked)


def test_the_golden_scores_are_met_in_declared_shapes(watched: dict[str, tuple[Watched, Model, Bundle, Model]]) -> None:
    for session, fixed, bundle, _ in watched.values():
        session.asked.clear()
        assert golden_difference(bundle, fixed) < 1e-5
        assert all(shapes in engine_shapes(bundle.manifest) for shapes in session.asked)
        assert session.asked


@given(rows=st.integers(0, 1_000))
def test_pieces_are_of_the_sizes_and_add_up(rows: int) -> None:
    cut = [*split_sizes(rows, STREAM_FRAMES)]
    assert sum(cut) == rows
    assert set(cut) <= set(STREAM_FRAMES)


def test_tensorrt_is_told_the_smallest_and_the_largest_shape(stream_bundle: Bundle, window_bundle: Bundle) -> None:
    options = tensorrt_options(stream_bundle)
    assert options == {
        "trt_profile_min_shapes": "audio:1x800,before:1x1x2",
        "trt_profile_opt_shapes": "audio:1x102400,before:1x1x2",
        "trt_profile_max_shapes": "audio:1x102400,before:1x1x2",
    }
    quantised = stream_bundle.manifest.model_copy(update={"precision": "int8"})
    assert tensorrt_options(replace(stream_bundle, manifest=quantised)) == {**options, "trt_int8_enable": "1"}
    assert tensorrt_options(window_bundle)["trt_profile_max_shapes"] == "audio:16x8000"
