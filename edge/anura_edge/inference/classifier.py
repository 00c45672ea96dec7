"""Runs a bundle's model in ONNX Runtime: audio in, probabilities out."""

from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import AudioBlock, Framer
from anura_edge.errors import ModelError
from anura_edge.events import Scores
from anura_edge.inference.bundle import MODEL, Bundle, Manifest
from anura_edge.inference.providers import Provider, provider_in_use, provider_options
from anura_edge.inference.tensorrt import FixedShapes, Session, tensorrt_options


class Classifier(Protocol):
    """Something that scores audio. Both kinds of model look the same from outside."""

    def score(self, window: AudioBlock) -> Scores:
        """Score the next stretch of a stream."""

    def reset(self) -> None:
        """Begin a new stream."""


class WindowClassifier:
    """A model that scores each window on its own; the windows of a stretch go through it as one batch."""

    def __init__(self, session: Session, manifest: Manifest, provider: str, silence: int = 0) -> None:
        """Put `silence` samples after each window, where the graph takes longer ones."""
        self._session, self._manifest, self._silence = session, manifest, silence
        self.provider = provider
        """What it runs on."""

    def score(self, window: AudioBlock) -> Scores:
        """Score each window of the stretch."""
        m = self._manifest
        batch = np.lib.stride_tricks.sliding_window_view(window.samples, m.window_samples)[:: m.hop_samples]
        filled = np.pad(batch, ((0, 0), (0, self._silence))) if self._silence else np.ascontiguousarray(batch)
        (probabilities,) = self._session.run(["probabilities"], {"audio": filled})
        return _scores(probabilities, batch, window, m)

    def with_window(self, manifest: Manifest) -> "WindowClassifier":
        """Return one that takes windows as another manifest has them, none longer than its own."""
        silence = self._silence + self._manifest.window_samples - manifest.window_samples
        return WindowClassifier(self._session, manifest, self.provider, silence)

    def reset(self) -> None:
        """Do nothing: each window stands alone."""

    def clone(self) -> "WindowClassifier":
        """Return itself, for the same reason."""
        return self


class StreamClassifier:
    """A model that carries state: every frame is computed once, in whatever chunks the audio comes."""

    def __init__(self, session: Session, manifest: Manifest, provider: str) -> None:
        self._session, self._manifest = session, manifest
        self.provider = provider
        """What it runs on."""
        self._outputs = ["probabilities", *(f"{state.name}_out" for state in manifest.states)]
        self._states = _zeros(manifest)
        self._waiting: FloatArray = np.zeros(0, np.float32)
        """Power of the newest rows of sound, about which the model has not spoken yet."""

    def score(self, window: AudioBlock) -> Scores:
        """Score a stretch and move the state to its end; what the model looks ahead, the scores stay behind."""
        m = self._manifest
        probabilities, *states = self._session.run(self._outputs, {"audio": window.samples[None], **self._states})
        self._states = dict(zip(self._states, states, strict=True))
        scores = _scores(probabilities[0], window.samples.reshape(-1, m.hop_samples), window, m)
        return self._placed(scores) if m.lookahead_samples else scores

    def _placed(self, scores: Scores) -> Scores:
        """Put rows beside the sound that they speak about, which came before; the first ones speak about none."""
        power = np.concatenate([self._waiting, scores.power])
        first_sample = scores.first_sample - len(self._waiting) * scores.hop_samples
        spoken = max(0, len(power) - self._manifest.lookahead_samples // scores.hop_samples)
        self._waiting = power[spoken:]
        rows = scores.probabilities[len(scores.probabilities) - spoken :]
        return Scores(rows, power[:spoken], first_sample, scores.hop_samples, scores.frame_samples)

    def reset(self) -> None:
        """Set the state to zeros, as the model was trained to begin."""
        self._states = _zeros(self._manifest)
        self._waiting = np.zeros(0, np.float32)

    def clone(self) -> "StreamClassifier":
        """Return one for another stream; both may score at the same time."""
        return StreamClassifier(self._session, self._manifest, self.provider)


Model = WindowClassifier | StreamClassifier
"""A bundle's model, ready to score: of either kind, there may be `another` beside it for no more memory."""


def _zeros(manifest: Manifest) -> dict[str, FloatArray]:
    return {state.name: np.zeros((1, *state.shape), np.float32) for state in manifest.states}


def _scores(probabilities: FloatArray, rows_of_audio: FloatArray, window: AudioBlock, manifest: Manifest) -> Scores:
    power = np.vecdot(rows_of_audio, rows_of_audio) / manifest.window_samples
    return Scores(probabilities, power, window.start_sample, manifest.hop_samples, manifest.window_samples)


def frames_in(manifest: Manifest, block_s: float) -> int:
    """Return how many rows of scores about `block_s` seconds are, one at least."""
    return max(1, round(block_s * manifest.rate_hz / manifest.hop_samples))


def make_framer(manifest: Manifest, rows: int, slack: int = 0) -> Framer:
    """Cut audio as the model wants it, some rows at a time, give or take `slack`."""
    return Framer(manifest.window_samples, manifest.hop_samples, rows, slack, manifest.lookahead_samples)


def load_classifier(bundle: Bundle, threads: int = 1, provider: Provider = "cpu", engines: Path | None = None) -> Model:
    """Load a bundle's model as `open_model` does, and make it prove itself on the golden clip.

    Raises ModelError if the runtime cannot load it, or if its scores are not the golden ones.
    """
    classifier = open_model(bundle, threads, provider, engines)
    try:
        change = golden_difference(bundle, classifier)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's, numpy's and libsndfile's share no narrower base
        raise ModelError(f"{bundle.path}: cannot score the golden clip: {error}; export the bundle again") from error
    tolerance = bundle.manifest.golden_tolerance
    if not change <= tolerance:  # so that NaN fails, too
        raise ModelError(
            f"{bundle.path}: the scores of the golden clip differ by {change:.2g}, more than {tolerance:g}, "
            "from those at export; do not use this bundle on this machine, export it again"
        )
    classifier.reset()
    return classifier


def golden_difference(bundle: Bundle, classifier: Classifier) -> float:
    """Return the largest difference between the scores of the golden clip now and at export."""
    path, expected = bundle.golden()
    samples, rate_hz = sf.read(path, dtype="float32")
    if rate_hz != bundle.manifest.rate_hz:
        raise ModelError(f"{path} has {rate_hz} Hz, the model wants {bundle.manifest.rate_hz}; export the bundle again")
    found = score_all(bundle, classifier, samples)
    labels = len(bundle.manifest.labels)
    if found.shape[1:] != (labels,) or not ((found >= 0) & (found <= 1)).all():
        raise ModelError(f"{bundle.path}: the model does not give {labels} probabilities for each row; export it again")
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")


def score_all(bundle: Bundle, classifier: Classifier, samples: FloatArray, rows: int = 20) -> FloatArray:
    """Score mono audio, shape (samples,), as a new stream, some rows at a time; return shape (rows, labels)."""
    framer = make_framer(bundle.manifest, rows)
    classifier.reset()
    parts = [classifier.score(window) for window in chain(framer.feed(samples), framer.flush())]
    return np.concatenate([part.probabilities for part in parts])


def open_model(bundle: Bundle, threads: int = 1, provider: Provider = "cpu", engines: Path | None = None) -> Model:
    """Load a bundle's model, whatever it may score, on a provider or what takes its place; see `providers`.

    Raises ModelError if the runtime cannot load it, or if it does not take and give what the manifest says.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Waiting threads must sleep: a recorder lives on a battery, and spinning costs a core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # Tensors in files beside the graph would escape its SHA-256, and the runtime looks for them in the current folder
    # although the graph comes from memory. Told to look below a file, it finds none and refuses the graph.
    nowhere = str(bundle.path.absolute() / MODEL)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", nowhere)
    try:
        session = ort.InferenceSession(
            bundle.model, options, providers=provider_options(provider, engines, tensorrt_options(bundle))
        )
    except Exception as error:  # onnxruntime's errors share no narrower base
        raise ModelError(f"{bundle.path}: onnxruntime cannot load the model: {error}; export it again") from error
    _check_signature(session, bundle)
    return make_classifier(session, bundle.manifest, provider_in_use(session, provider))


def make_classifier(session: Session, manifest: Manifest, provider: str) -> Model:
    """Make a session a classifier, which asks TensorRT in the shapes that it has an engine for."""
    kind = StreamClassifier if manifest.kind == "stream" else WindowClassifier
    return kind(FixedShapes(session, manifest) if provider == "tensorrt" else session, manifest, provider)


def _check_signature(session: ort.InferenceSession, bundle: Bundle) -> None:
    states = [state.name for state in bundle.manifest.states]
    wanted = {"audio", *states}, {"probabilities", *(f"{name}_out" for name in states)}
    found = {i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()}
    if wanted != found:
        raise ModelError(
            f"{bundle.path}: the model takes and gives {found}, its manifest says {wanted}; export it again"
        )
