"""Load the model that the settings name."""

from pathlib import Path

from anura_edge.config.analysis import ModelSettings
from anura_edge.inference.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from anura_edge.inference.classifier import Model, load_classifier


def load_model(settings: ModelSettings, engines: Path) -> tuple[Bundle, Model]:
    """Return the bundle and its classifier. `engines` is the folder for TensorRT's engines.

    Raises ModelError.
    """
    bundle = load_bundle(settings.bundle or DEFAULT_BUNDLE, settings.public_key_file)
    return bundle, load_classifier(bundle, settings.threads, settings.provider, engines)
