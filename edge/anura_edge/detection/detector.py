"""Turns one contiguous stretch of audio after another into calls: resample, cut, score, track."""

from collections.abc import Iterable, Iterator
from itertools import chain

from anura_edge.audio import FloatArray
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.tracker import DetectionTracker, Rule
from anura_edge.dsp.framer import AudioBlock
from anura_edge.dsp.resample import Resampler
from anura_edge.errors import ConfigError
from anura_edge.events import Detection
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.classifier import Classifier, frames_in, make_framer


class Detector:
    """Turns one contiguous stretch of mono audio after another into calls."""

    def __init__(
        self,
        bundle: Bundle,
        classifier: Classifier,
        detect: DetectionSettings,
        block_s: float,
        *,
        is_live: bool = False,
    ) -> None:
        """Score about `block_s` seconds at a time: long for files, short for a microphone.

        Live sound comes in blocks of that length: it is scored when a block has come, though a row may be missing.
        """
        self.bundle = bundle
        self._rate_hz = bundle.manifest.rate_hz
        self._rules = rules_for(bundle, detect)
        self._framer = make_framer(bundle.manifest, frames_in(bundle.manifest, block_s), slack=int(is_live))
        self._classifier = classifier
        self._block_s = block_s

    def set_block(self, block_s: float) -> None:
        """Score about so many seconds at a time from now on."""
        if block_s != self._block_s:
            self._block_s = block_s
            self._framer.set_block_frames(frames_in(self.bundle.manifest, block_s))

    def begin(self, rate_hz: int) -> None:
        """Begin a stretch of audio at a sample rate."""
        manifest = self.bundle.manifest
        self._resampler = Resampler(rate_hz, manifest.rate_hz)
        self._tracker = DetectionTracker(self._rules, manifest.hop_samples, manifest.window_samples)
        self._framer.clear()
        self._classifier.reset()

    def feed(self, samples: FloatArray) -> Iterator[Detection]:
        """Take the next mono samples of the stretch."""
        return self._calls(self._framer.feed(self._resampler.feed(samples)))

    def end(self) -> Iterator[Detection]:
        """End the stretch."""
        last = self._framer.feed(self._resampler.flush())
        return chain(self._calls(last), self._calls(self._framer.flush()), self._tracker.flush())

    def _calls(self, windows: Iterable[AudioBlock]) -> Iterator[Detection]:
        for window in windows:
            yield from self._tracker.update(self._classifier.score(window))


def rules_for(bundle: Bundle, detect: DetectionSettings) -> list[Rule]:
    """Put the bundle's thresholds and the settings together.

    Raises ConfigError if the settings name a label that the model does not have.
    """
    labels = {label.code: label.threshold for label in bundle.manifest.labels}
    # Whatever the case: keys that come from the environment are in lower case.
    codes = {code.casefold(): code for code in labels}
    own = {c if c in labels else codes.get(c.casefold(), c): t for c, t in detect.thresholds.items()}
    if unknown := own.keys() - labels.keys():
        raise ConfigError(f"detect.thresholds: the model has no {sorted(unknown)}; it has {', '.join(labels)}")
    rate_hz = bundle.manifest.rate_hz
    thresholds = [own.get(code, detect.threshold or default) for code, default in labels.items()]
    merge_gap, max_length = round(detect.merge_gap_s * rate_hz), round(detect.max_call_s * rate_hz)
    return [Rule(on, on * detect.release_ratio, merge_gap, max_length) for on in thresholds]
