"""Mixed training examples: a call at a random time and level in a background, or a background without a call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from anura_edge.audio import FloatArray
from anura_train.batches.loader import Batch, MapFunction
from anura_train.recipe import AugmentSettings, Range

SHORTEST_CALL_S = 2.0
"""Shortest excerpt of a recording with weak labels; a shorter one often contains no call."""

MASK_RATE_HZ = 10
"""Time slots a second in the mask of calls."""

SYNTHETIC_SHARE = 0.2
"""Share of backgrounds that are synthetic: noise of a random spectral slope, or digital silence."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceAudio:
    """The recordings that examples are mixed from."""

    calls: Sequence[FloatArray]
    """Frog recordings, each (samples,)."""
    codes: tuple[tuple[str, ...], ...]
    """Species codes of each frog recording."""
    backgrounds: Sequence[FloatArray]
    labels: tuple[str, ...]
    rate_hz: int

    def target(self, *codes: str) -> FloatArray:
        """Return the target vector (labels,) of some species. Codes that are not labels are ignored."""
        return np.array([label in codes for label in self.labels], np.float32)


class Mixer:
    """Generates mixed examples with a seeded random generator."""

    def __init__(
        self, sources: SourceAudio, settings: AugmentSettings, example_s: float, rng: np.random.Generator
    ) -> None:
        self.sources, self.settings, self.rng = sources, settings, rng
        self.length = round(example_s * sources.rate_hz)
        self.slot_edges = np.linspace(0, self.length, MASK_RATE_HZ * max(1, round(example_s)) + 1)
        """Edges of the time slots in the mask of calls, in samples."""
        self.codes = sorted({code for codes in sources.codes for code in codes})
        self.indices_of = {code: [at for at, codes in enumerate(sources.codes) if code in codes] for code in self.codes}

    @property
    def epoch_size(self) -> int:
        """Number of recordings."""
        return len(self.sources.calls) + len(self.sources.backgrounds)

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label; all species are equally frequent."""
        share = (1 - self.settings.background_only) * (1 + self.settings.two_species) / len(self.codes)
        return self.sources.target(*self.codes) * np.float32(share)

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:  # noqa: ARG002  # the steps do not differ
        """Return the examples of a step, made one by one: random numbers depend on the lengths of recordings."""
        waveforms, targets, masks = zip(*(self.example() for _ in range(size)), strict=True)
        return Batch(np.stack(waveforms), np.stack(targets), call_mask=np.stack(masks))

    def example(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a waveform (samples,), its target (labels,) and its mask of calls (slots,)."""
        if self.rng.random() < self.settings.background_only:
            return (
                self._level(self._background()),
                self.sources.target(),
                np.zeros(len(self.slot_edges) - 1, np.float32),
            )
        waveform, codes, mask = self._call(str(self.rng.choice(self.codes)))
        if self.rng.random() < self.settings.two_species:
            second, other_codes, other_mask = self._call(str(self.rng.choice(self.codes)))
            waveform, codes = _mix_at_ratio(waveform, second, self.rng.uniform(-6, 6)), codes + other_codes
            mask = np.maximum(mask, other_mask)
        if self.rng.random() < self.settings.with_background:
            waveform = _mix_at_ratio(waveform, self._background(), self._uniform(self.settings.snr_db))
        return self._level(waveform), self.sources.target(*codes), mask

    def _call(self, code: str) -> tuple[FloatArray, tuple[str, ...], FloatArray]:
        """Return a silent example with an excerpt of one recording of a species at a random time.

        Also return all species in that recording, and the mask (slots,) of the time slots that the excerpt touches.
        """
        indices = self.indices_of[code]
        chosen = indices[self.rng.integers(len(indices))]
        recording, codes = self.sources.calls[chosen], self.sources.codes[chosen]
        shortest = min(round(SHORTEST_CALL_S * self.sources.rate_hz), self.length)
        # Half of the excerpts fill the example; the others begin or end inside it, so that the model learns onsets.
        length = self.length if self.rng.random() < 0.5 else int(self.rng.integers(shortest, self.length + 1))
        piece = self._low_pass(self._speed(self._crop(recording, length)))[: self.length]
        waveform = np.zeros(self.length, np.float32)
        start = int(self.rng.integers(self.length - len(piece) + 1))
        waveform[start : start + len(piece)] = piece
        touched = (self.slot_edges[1:] > start) & (self.slot_edges[:-1] < start + len(piece))
        return waveform, codes, touched.astype(np.float32)

    def _background(self) -> FloatArray:
        if self.rng.random() < SYNTHETIC_SHARE or not self.sources.backgrounds:
            return self._noise()
        recording = self.sources.backgrounds[int(self.rng.integers(len(self.sources.backgrounds)))]
        piece = self._crop(recording, self.length)
        return np.resize(piece, self.length)

    def _noise(self) -> FloatArray:
        """Return noise whose power falls as 1 / f^slope, from white to brown, or silence in a tenth of the cases."""
        if self.rng.random() < 0.1:
            return np.zeros(self.length, np.float32)
        spectrum = np.fft.rfft(self.rng.standard_normal(self.length))
        spectrum[1:] *= np.arange(1, len(spectrum)) ** (-self.rng.uniform(0, 2) / 2)
        noise = np.fft.irfft(spectrum, self.length)
        return np.asarray(noise / noise.std(), np.float32)

    def _crop(self, recording: FloatArray, length: int) -> FloatArray:
        start = int(self.rng.integers(max(len(recording) - length, 0) + 1))
        return recording[start : start + length]

    def _speed(self, piece: FloatArray) -> FloatArray:
        factor = self._uniform(self.settings.speed)
        return np.asarray(soxr.resample(piece, self.sources.rate_hz, self.sources.rate_hz / factor, "LQ"), np.float32)

    def _low_pass(self, piece: FloatArray) -> FloatArray:
        if self.rng.random() >= self.settings.low_pass:
            return piece
        corner_hz = float(np.exp(self.rng.uniform(np.log(2_500), np.log(9_000))))
        filtered = sosfilt(butter(2, corner_hz, fs=self.sources.rate_hz, output="sos"), piece)
        return np.asarray(filtered, np.float32)

    def _level(self, waveform: FloatArray) -> FloatArray:
        """Scale to a random level, and clip at full scale as a recorder does."""
        level_db = self._uniform(self.settings.level_dbfs)
        scaled = waveform * (10 ** (level_db / 20) / max(_rms(waveform), 1e-7))
        return np.asarray(np.clip(scaled, -1, 1), np.float32)

    def _uniform(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))


def _mix_at_ratio(first: FloatArray, second: FloatArray, ratio_db: float) -> FloatArray:
    """Add two waveforms so that the mean power of the first is `ratio_db` above that of the second."""
    gain = _rms(first) / max(_rms(second), 1e-7) * 10 ** (-ratio_db / 20)
    return (first + second * np.float32(gain)).astype(np.float32)


def _rms(waveform: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))
