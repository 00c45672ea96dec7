"""Analyse one recording as a scan does, and return everything that the page shows.

The result holds the scores of all frames, not calls. The page computes the calls from the scores and its sliders.
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

from anura_edge.audio import FloatArray, to_pcm16
from anura_edge.config.analysis import AudioSettings, DetectionSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.detection.detector import Detector, rules_for
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.detection.pipeline import analyse
from anura_edge.dsp.framer import AudioBlock
from anura_edge.errors import BusyError, ConfigError, UnreadableError
from anura_edge.events import EffortState, Scores
from anura_edge.explore.spectrogram import log_mel
from anura_edge.inference.averaging import average_frames
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier, Model, WindowClassifier
from anura_edge.inference.loading import load_model
from anura_edge.sources.files.audio_file import CHUNK_S, AudioFile
from anura_edge.sources.files.open_file import open_file

MAX_DURATION_S = 3_700.0
"""Recorders write files of up to an hour. At 22,050 Hz that is 159 MB of samples to hold and to send."""

TIMEOUT_S = 300.0
"""A person waits for the result, and others wait for their turn. The default model needs seconds for an hour."""

MAX_CONCURRENT = 4
"""Requests that are served or wait at the same time. Each holds its upload on the disk."""

MIN_HOP_S = 0.05
MIN_WINDOW_S = 0.2

WINDOWS_PER_RUN = 32
"""With a very short hop, ten seconds are hundreds of windows, and the memory of a large model grows with each."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """The result for one recording, ready to be sent to the page."""

    about: dict[str, Any]
    """Everything but the arrays; it becomes JSON."""

    arrays: Mapping[str, NDArray[Any]]
    """`probabilities` (frames, labels) and `power` (frames,), float32; `levels` (columns, bands), uint8; `audio`
    (samples,), int16: the model's input, at the model's rate."""

    def parts(self) -> list[bytes | memoryview]:
        """Return the result as bytes: the length of the JSON in four bytes, the JSON, each array; all little-endian.

        Every part is padded to a multiple of four bytes, so that a browser can view the arrays without a copy.
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
    """Analyses recordings for a page, one at a time. Threads may share it."""

    def __init__(
        self,
        bundle: Bundle,
        model: Model,
        detection: DetectionSettings,
        audio: AudioSettings,
        max_duration_s: float = MAX_DURATION_S,
    ) -> None:
        """Raise ConfigError if the detection settings do not fit the model."""
        self._bundle, self._model, self._detection, self._audio = bundle, model, detection, audio
        self._rules = rules_for(bundle, detection)
        self.max_duration_s = max_duration_s
        self._lock = Lock()
        self._slots = BoundedSemaphore(MAX_CONCURRENT)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Occupy one of the MAX_CONCURRENT slots while a recording is received, waits or is analysed.

        Raises BusyError if all are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise BusyError(f"{MAX_CONCURRENT} recordings are being analysed; try again when one is done")
        try:
            yield
        finally:
            self._slots.release()

    def analyse(self, path: Path, name: str, window_s: float | None = None, hop_s: float | None = None) -> Analysis:
        """Analyse the recording at `path`; `name` is its name for people.

        `window_s` and `hop_s` replace those of a window model.

        Raises UnreadableError if the recording cannot be read, is too long or takes too long, ConfigError if this
        model cannot use the window or the hop.
        """
        with self._lock:
            try:
                sound = open_file(path, name, self._audio.zone)
                bundle, classifier, block_s = self._with_window(window_s, hop_s)
                recorder = _RecordingClassifier(classifier)
                detector = Detector(bundle, recorder, self._detection, block_s)
                outputs = analyse(sound, detector, self._audio.channel)
                return self._result(sound, list(self._limited(sound, outputs, recorder)), bundle, recorder)
            except UnreadableError as error:
                raise UnreadableError(error.reason, str(error).replace(str(path), name)) from error

    def _limited(
        self, sound: AudioFile, outputs: Iterator[PipelineOutput], recorder: "_RecordingClassifier"
    ) -> Iterator[PipelineOutput]:
        """Pass outputs on. Raise UnreadableError when the recording is too long or its analysis takes too long."""
        deadline_s = time.monotonic() + TIMEOUT_S
        self._check_duration((sound.recording.samples or 0) / sound.recording.rate_hz)
        for output in outputs:
            self._check_duration(recorder.samples / self._bundle.manifest.rate_hz)  # the header may be wrong
            if time.monotonic() > deadline_s:
                raise UnreadableError("too_long", f"not done in {TIMEOUT_S:.0f} s; cut it, or choose a longer hop")
            yield output

    def _check_duration(self, seconds: float) -> None:
        if seconds > self.max_duration_s + CHUNK_S:
            limit_min = self.max_duration_s / 60
            raise UnreadableError("too_long", f"longer than {limit_min:.0f} min; cut it, or scan it instead")

    def _with_window(self, window_s: float | None, hop_s: float | None) -> tuple[Bundle, Classifier, float]:
        """Return bundle and model, with the window and hop if given, and the length of one block, in seconds."""
        own = self._bundle.manifest
        if window_s is None and hop_s is None:
            return self._bundle, self._model, CHUNK_S
        if not isinstance(self._model, WindowClassifier):
            raise ConfigError(f"{own.id} is a {own.kind} model with a fixed hop; leave out window and hop")
        longest_window_s = own.window_samples / own.rate_hz
        window_s = longest_window_s if window_s is None else window_s
        hop_s = min(own.hop_samples / own.rate_hz, window_s) if hop_s is None else hop_s
        if not MIN_WINDOW_S <= window_s <= longest_window_s:
            raise ConfigError(f"window: {window_s:g} s is not between {MIN_WINDOW_S} and {longest_window_s:g} s")
        if not MIN_HOP_S <= hop_s <= window_s:
            raise ConfigError(f"hop: {hop_s:g} s is not between {MIN_HOP_S} s and the window's {window_s:g} s")
        window, hop = round(window_s * own.rate_hz), round(hop_s * own.rate_hz)
        manifest = own.model_copy(update={"window_samples": window, "hop_samples": hop})
        block_s = min(CHUNK_S, WINDOWS_PER_RUN * hop / own.rate_hz)
        return replace(self._bundle, manifest=manifest), self._model.with_window(manifest), block_s

    def _result(
        self, sound: AudioFile, outputs: list[PipelineOutput], bundle: Bundle, recorder: "_RecordingClassifier"
    ) -> Analysis:
        recording, manifest = sound.recording, bundle.manifest
        efforts = [effort for output in outputs for effort in output.efforts]
        samples = sum(effort.samples for effort in efforts if effort.state != EffortState.UNREADABLE)
        truncated = ["the recording breaks off before its end"] if outputs[-1].read_error else []
        audio = recorder.audio()[: math.ceil(samples * manifest.rate_hz / recording.rate_hz)]
        probabilities, power = recorder.scores(len(manifest.labels), manifest.averaged_frames)
        spectrogram = log_mel(audio, manifest.rate_hz)
        about = {
            "name": recording.name,
            "start_utc": recording.start_utc.isoformat(),
            "clock_source": recording.clock_source,
            "rate_hz": recording.rate_hz,
            "samples": samples,
            "warnings": [*recording.warnings, *truncated],
            "model": manifest.model_dump(include={"id", "version", "title", "kind", "rate_hz"}),
            "own": self._bundle.manifest.model_dump(include={"window_samples", "hop_samples"}),
            "step": manifest.hop_samples,
            "span": manifest.window_samples,
            "labels": [label.model_dump() for label in manifest.labels],
            "rules": [asdict(rule) for rule in self._rules],
            "detect": {
                "release": self._detection.release_ratio,
                "merge_gap_s": self._detection.merge_gap_s,
            },
            "column_s": spectrogram.column_s,
            "bands_hz": spectrogram.bands_hz.tolist(),
        }
        arrays: dict[str, NDArray[Any]] = {"probabilities": probabilities, "power": power}
        arrays |= {"levels": spectrogram.levels, "audio": audio}
        return Analysis(about, arrays)


def load_explorer(bundle: Path | None, max_duration_s: float) -> Explorer:
    """Return an explorer with the default settings. Without a bundle it uses the default model.

    Raises ModelError.
    """
    config = Config(model=ModelSettings(bundle=bundle))
    return Explorer(*load_model(config.model, config.engines_path), config.detect, config.audio, max_duration_s)


class _RecordingClassifier:
    """A classifier that stores the input and the scores of another one."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._scores: list[Scores] = []
        self._audio = bytearray()
        self.samples = 0
        """Samples scored so far, at the model's rate."""

    def score(self, window: AudioBlock) -> Scores:
        """Score a window, and store its scores and its new samples."""
        new = window.samples[self.samples - window.start_sample :]
        self._audio += to_pcm16(new).tobytes()
        self.samples += len(new)
        self._scores.append(self._classifier.score(window))
        return self._scores[-1]

    def reset(self) -> None:
        """Begin a new stream. The explorer analyses only one."""
        self._classifier.reset()

    def audio(self) -> NDArray[np.int16]:
        """Return the model's input, shape (samples,), with the zeros that pad its end."""
        return np.frombuffer(self._audio, np.int16)

    def scores(self, labels: int, averaged_frames: int) -> tuple[FloatArray, FloatArray]:
        """Return the averaged probabilities, shape (frames, labels), and the power, shape (frames,)."""
        probabilities = np.concatenate([np.zeros((0, labels), np.float32), *(s.probabilities for s in self._scores)])
        power = np.concatenate([np.zeros(0, np.float32), *(s.power for s in self._scores)])
        return average_frames(probabilities, averaged_frames), power
