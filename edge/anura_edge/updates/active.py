"""Which bundle a device uses: that of the settings, else the installed one, else the program's own."""

import logging
import time

from anura_edge.config.analysis import ModelSettings
from anura_edge.config.device import Config
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from anura_edge.inference.classifier import Model
from anura_edge.inference.loading import load_model
from anura_edge.updates.slots import ModelSlots

log = logging.getLogger(__name__)

TRIAL_S = 600.0
"""An installed bundle has proved itself when audio was analysed for this long, or until a scan ended."""


def active_settings(config: Config) -> ModelSettings:
    """Return the settings of the model with the bundle that is used.

    The bundle of the program needs no signature: who can change it can change the check, too. Raises ModelError.
    """
    if config.model.bundle:
        return config.model
    if current := ModelSlots(config.models_path).current:
        return config.model.model_copy(update={"bundle": current})
    return config.model.model_copy(update={"public_key_file": None})


def active_bundle(config: Config) -> Bundle:
    """Read the bundle that is used. Raises ModelError."""
    settings = active_settings(config)
    return load_bundle(settings.bundle or DEFAULT_BUNDLE, settings.public_key_file)


class ActiveModel:
    """The bundle and the model of a running device, and the trial of a bundle that is new."""

    bundle: Bundle
    model: Model

    def __init__(self, config: Config) -> None:
        """Load the model. If an installed one cannot be loaded, go back to the one before it.

        Raises ModelError if none can be loaded.
        """
        self._slots = ModelSlots(config.models_path)
        if not config.model.bundle:
            self._slots.begin_start()
        try:
            self.bundle, self.model = load_model(active_settings(config), config.engines_path)
        except ModelError as error:
            if config.model.bundle or not self._slots.current:
                raise
            log.warning("%s; the model before it is used", error)
            self._slots.roll_back(str(error))
            self.bundle, self.model = load_model(active_settings(config), config.engines_path)
        self._is_on_trial = self._slots.state.starts_on_trial is not None
        self._began_s = time.monotonic()

    @property
    def refused(self) -> str:
        """Why the last bundle that was to be installed is not used. Empty if the base station was told."""
        return self._slots.state.refused

    def forget_refused(self) -> None:
        """Forget the reason: it is stored elsewhere."""
        self._slots.take_refused()

    def record_progress(self, real_time_factor: float | None = None) -> str | None:
        """Audio was analysed until now. After a while the bundle has proved itself, or is too slow for live audio.

        `real_time_factor` is what the model needs for a second of live audio. Return why the bundle is given up: the
        one before it is used from the next start on. None if it goes on.
        """
        if not self._is_on_trial or time.monotonic() - self._began_s < TRIAL_S:
            return None
        if (real_time_factor or 0.0) <= 1:
            self.confirm()
            return None
        self._is_on_trial = False
        manifest = self.bundle.manifest
        reason = f"{manifest.id} {manifest.version} needs {real_time_factor:.1f} s for a second of audio"
        self._slots.roll_back(reason)
        return reason

    def confirm(self) -> None:
        """Keep the bundle: it has proved itself."""
        if self._is_on_trial:
            self._is_on_trial = False
            self._slots.confirm()
