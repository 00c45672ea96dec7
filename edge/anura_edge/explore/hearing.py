"""Hears one recording as a scan does, and keeps everything that a person wants to see of it.

What comes of it are curves, not calls: those follow from the curves and a few settings, which the page has sliders for.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.config.device import Config, Model
from anura_edge.detection.detector import Detector, rules_for
from anura_edge.detection.pipeline import Heard, listen
from anura_edge.dsp.framer import Window
from anura_edge.errors import BusyError, ConfigError, UnreadableError
from anura_edge.events import EffortState, Scores
from anura_edge.explore.spectrogram import log_mel
from anura_edge.inference.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from anura_edge.inference.classifier import Classifier, WindowClassifier, load_classifier
from anura_edge.sources.files.audio_file import CHUNK_S, FileSound, open_file

LONGEST_S = 3_700.0
"""Recorders write files of up to an hour, which at 22,050 Hz is 159 MB of samples to hold and to send."""

PATIENCE_S = 300.0
"""A person waits for the answer, and so do others. The default model hears an hour in seconds."""

PLACES = 4
"""So many may be served or wait for their turn at a time: what each sent, or is being sent, takes room."""

SHORTEST_HOP_S = 0.05
SHORTEST_WINDOW_S = 0.2

WINDOWS_AT_ONCE = 32
"""At a very short hop ten seconds would be hundreds of windows, and a large model's memory grows with each."""


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """What was heard in a recording, ready to be sent to the page."""

    about: dict[str, Any]
    """What is not numbers by the thousand; it becomes JSON."""

    arrays: Mapping[str, NDArray[Any]]
    """`probabilities` (rows, labels) and `power` (rows,), float32; `levels` (columns, bands), uint8; `audio`
    (samples,), int16, at the model's rate: what the model heard."""

    def parts(self) -> list[bytes | memoryview]:
        """Return it as bytes: the length of the JSON in four bytes, the JSON, each array; all little-endian.

        Every part is filled up to a multiple of four bytes, so that a browser can look at the arrays where they are.
        """
        described = [
            {"name": name, "type": array.dtype.name, "shape": array.shape} for name, array in self.arrays.items()
        ]
        text = json.dumps({**self.about, "arrays": described}).encode()
        text += b" " * (-len(text) % 4)
        parts: list[bytes | memoryview] = [len(text).to_bytes(4, "little") + text]
        for array in self.arrays.values():
            data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            parts += [data.data.cast("B"), bytes(-data.nbytes % 4)]
        return parts


class Explorer:
    """Hears recordings for a page, one at a time."""

    def __init__(self, config: Config, longest_s: float = LONGEST_S) -> None:
        """Load the model.

        Raises ModelError or ConfigError.
        """
        self._config = config
        self.longest_s = longest_s
        self._bundle = load_bundle(config.model.bundle or DEFAULT_BUNDLE, config.model.public_key_file)
        self._rules = rules_for(self._bundle, config.detect)
        self._model = load_classifier(self._bundle, config.model.threads, config.model.provider, config.engines_path)
        self._turn = Lock()
        self._places = BoundedSemaphore(PLACES)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have a place among those whose recordings are received or heard, or wait to be.

        Raises BusyError if there is none.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError(f"{PLACES} recordings are being looked into; try again when one is done")
        try:
            yield
        finally:
            self._places.release()

    def hear(self, path: Path, name: str, window_s: float | None = None, hop_s: float | None = None) -> Hearing:
        """Hear a recording under a name for people; a window model with another window and hop than its own, if given.

        Raises UnreadableError if it cannot be heard, is too long or takes too long, ConfigError if the window or the
        hop is none for this model.
        """
        with self._turn:
            try:
                sound = open_file(path, name, self._config.audio.zone)
                bundle, classifier, block_s = self._framed(window_s, hop_s)
                tape = _Tape(classifier)
                detector = Detector(bundle, tape, self._config.detect, block_s)
                heard = list(self._within_limits(sound, listen(sound, detector, self._config.audio.channel), tape))
                return self._told(sound, heard, bundle, tape)
            except UnreadableError as error:
                raise UnreadableError(error.reason, str(error).replace(str(path), name)) from error

    def _within_limits(self, sound: FileSound, parts: Iterator[Heard], tape: "_Tape") -> Iterator[Heard]:
        until_s = time.monotonic() + PATIENCE_S
        self._check_length((sound.recording.samples or 0) / sound.recording.rate_hz)
        for part in parts:
            self._check_length(tape.samples / self._bundle.manifest.rate_hz)  # its header need not be right
            if time.monotonic() > until_s:
                raise UnreadableError("too_long", f"not done in {PATIENCE_S:.0f} s; cut it, or take a longer hop")
            yield part

    def _check_length(self, seconds: float) -> None:
        if seconds > self.longest_s + CHUNK_S:
            raise UnreadableError("too_long", f"longer than {self.longest_s / 60:.0f} min; cut it, or scan it instead")

    def _framed(self, window_s: float | None, hop_s: float | None) -> tuple[Bundle, Classifier, float]:
        """Return bundle and model, with another window and hop if given, and how many seconds to score at once."""
        own = self._bundle.manifest
        if window_s is None and hop_s is None:
            return self._bundle, self._model, CHUNK_S
        if not isinstance(self._model, WindowClassifier):
            raise ConfigError(f"{own.id} is a {own.kind} model, whose steps are its own: leave out window and hop")
        longest_s = own.window_samples / own.rate_hz
        window_s = longest_s if window_s is None else window_s
        hop_s = min(own.hop_samples / own.rate_hz, window_s) if hop_s is None else hop_s
        if not SHORTEST_WINDOW_S <= window_s <= longest_s:
            raise ConfigError(f"window: {window_s:g} s is not between {SHORTEST_WINDOW_S} and {longest_s:g} s")
        if not SHORTEST_HOP_S <= hop_s <= window_s:
            raise ConfigError(f"hop: {hop_s:g} s is not between {SHORTEST_HOP_S} s and the window's {window_s:g} s")
        window, hop = round(window_s * own.rate_hz), round(hop_s * own.rate_hz)
        manifest = own.model_copy(update={"window_samples": window, "hop_samples": hop})
        block_s = min(CHUNK_S, WINDOWS_AT_ONCE * hop / own.rate_hz)
        return replace(self._bundle, manifest=manifest), self._model.framed(manifest), block_s

    def _told(self, sound: FileSound, heard: list[Heard], bundle: Bundle, tape: "_Tape") -> Hearing:
        recording, manifest = sound.recording, bundle.manifest
        states = [effort for part in heard for effort in part.efforts if effort.state != EffortState.UNREADABLE]
        samples = sum(effort.samples for effort in states)
        broken_off = heard[-1].broken_off
        warnings = [*recording.warnings, *(["it breaks off before its end"] if broken_off else [])]
        audio = tape.audio()[: math.ceil(samples * manifest.rate_hz / recording.rate_hz)]
        probabilities, power = tape.curves(len(manifest.labels))
        picture = log_mel(audio, manifest.rate_hz)
        about = {
            "name": recording.name,
            "start_utc": recording.start_utc.isoformat(),
            "clock_source": recording.clock_source,
            "rate_hz": recording.rate_hz,
            "samples": samples,
            "warnings": warnings,
            "model": manifest.model_dump(include={"id", "version", "title", "kind", "rate_hz"}),
            "own": self._bundle.manifest.model_dump(include={"window_samples", "hop_samples"}),
            "step": manifest.hop_samples,
            "span": manifest.window_samples,
            "labels": [label.model_dump() for label in manifest.labels],
            "rules": [asdict(rule) for rule in self._rules],
            "detect": self._config.detect.model_dump(include={"release", "merge_gap_s"}),
            "column_s": picture.column_s,
            "bands_hz": picture.bands_hz.tolist(),
        }
        curves = {"probabilities": probabilities, "power": power}
        return Hearing(about, {**curves, "levels": picture.levels, "audio": audio})


def explorer(bundle: Path | None, longest_s: float) -> Explorer:
    """Return an explorer with the default settings, and the model that comes along or another one.

    Raises ModelError.
    """
    return Explorer(Config(model=Model(bundle=bundle)), longest_s)


class _Tape:
    """A classifier that keeps all that goes through another one."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._scores: list[Scores] = []
        self._audio = bytearray()
        self.samples = 0
        """How much it has heard, at the model's rate."""

    def score(self, window: Window) -> Scores:
        """Score it, and keep scores and sound."""
        new = window.samples[self.samples - window.start_sample :]
        self._audio += np.rint(new * np.float32(2**15 - 1)).astype(np.int16).tobytes()
        self.samples += len(new)
        self._scores.append(self._classifier.score(window))
        return self._scores[-1]

    def reset(self) -> None:
        """Begin a new stream; here there is but one."""
        self._classifier.reset()

    def audio(self) -> NDArray[np.int16]:
        """Return the sound, shape (samples,), with the zeros that it was filled up with."""
        return np.frombuffer(self._audio, np.int16)

    def curves(self, labels: int) -> tuple[FloatArray, FloatArray]:
        """Return the probabilities, shape (rows, labels), and the power, shape (rows,)."""
        probabilities = np.concatenate([np.zeros((0, labels), np.float32), *(s.probabilities for s in self._scores)])
        return probabilities, np.concatenate([np.zeros(0, np.float32), *(s.power for s in self._scores)])
