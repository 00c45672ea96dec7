"""Loads models into ONNX Runtime."""

from pathlib import Path

import onnxruntime as ort

from anura_edge.config.analysis import ModelSettings
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import DEFAULT_BUNDLE, MODEL, Bundle, load_bundle
from anura_edge.inference.classifier import Model, StreamClassifier, WindowClassifier
from anura_edge.inference.golden import check_golden
from anura_edge.inference.manifest import Manifest
from anura_edge.inference.providers import Provider, provider_in_use, provider_options
from anura_edge.inference.tensorrt import FixedShapes, Session, tensorrt_options
from anura_edge.system.memory import release_freed_memory


def load_model(settings: ModelSettings, engines: Path) -> tuple[Bundle, Model]:
    """Return the configured bundle and its classifier. `engines` is the folder for TensorRT's engines.

    Raises ModelError.
    """
    bundle = load_bundle(settings.bundle or DEFAULT_BUNDLE, settings.public_key_file)
    return bundle, load_classifier(bundle, settings.threads, settings.provider, engines)


def load_classifier(bundle: Bundle, threads: int = 1, provider: Provider = "cpu", engines: Path | None = None) -> Model:
    """Load a bundle's model and check it with the golden clip.

    Raises ModelError if the runtime cannot load it, or if its scores are not the golden ones.
    """
    classifier = open_model(bundle, threads, provider, engines)
    check_golden(bundle, classifier)
    classifier.reset()
    release_freed_memory()
    return classifier


def open_model(bundle: Bundle, threads: int = 1, provider: Provider = "cpu", engines: Path | None = None) -> Model:
    """Load a bundle's model without the golden check, on a provider or its replacement; see `providers`.

    Raises ModelError if the runtime cannot load it, or if its inputs and outputs are not those of the manifest.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads must sleep: spinning would use a whole core, and a recorder runs on a battery.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # External tensor files would not be part of the graph's SHA-256, and the runtime looks for them in the current
    # folder. A path below a file cannot contain any, so the runtime refuses such a graph.
    no_folder = str(bundle.path.absolute() / MODEL)
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", no_folder)
    try:
        session = ort.InferenceSession(
            bundle.model, options, providers=provider_options(provider, engines, tensorrt_options(bundle))
        )
    except Exception as error:  # exceptions of onnxruntime have no narrower base class
        raise ModelError(f"{bundle.path}: onnxruntime cannot load the model: {error}; export it again") from error
    _check_inputs_and_outputs(session, bundle)
    return make_classifier(session, bundle.manifest, provider_in_use(session, provider))


def make_classifier(session: Session, manifest: Manifest, provider: str) -> Model:
    """Return a classifier for a session. TensorRT gets only the shapes for which it has an engine."""
    kind = StreamClassifier if manifest.kind == "stream" else WindowClassifier
    return kind(FixedShapes(session, manifest) if provider == "tensorrt" else session, manifest, provider)


def _check_inputs_and_outputs(session: ort.InferenceSession, bundle: Bundle) -> None:
    states = [state.name for state in bundle.manifest.states]
    expected = {"audio", *states}, {"probabilities", *(f"{name}_out" for name in states)}
    found = {i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()}
    if expected != found:
        raise ModelError(
            f"{bundle.path}: the model has inputs and outputs {found}, its manifest says {expected}; export it again"
        )
