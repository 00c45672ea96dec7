"""Examples cut from recordings: windows of a fixed length, in random order or class-balanced, with augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torchaudio.functional import phase_vocoder

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.batches.audio_cache import AudioCache
from anura_train.batches.loader import Batch, MapFunction
from anura_train.data import Recording, StrongLabel
from anura_train.data.box_grid import BoxGrid
from anura_train.data.overlay import mix_at_snr
from anura_train.models.window import WINDOW_S
from anura_train.recipe import WindowSettings

STRETCH_WINDOW, STRETCH_HOP = 1_024, 256


@dataclass(frozen=True, slots=True)
class Window:
    """An excerpt of WINDOW_S seconds of a recording, with its species."""

    recording: Recording
    start_s: float
    codes: tuple[str, ...]
    """The species that call in it."""


def cut_windows(recordings: Sequence[Recording], settings: WindowSettings) -> list[Window]:
    """Cut recordings into all complete windows, at least one each; SourceError when a file cannot be decoded."""
    return [
        Window(recording, start_s, codes_in_window(recording, start_s, settings.min_overlap_s))
        for recording in recordings
        for start_s in _starts_s(recording, settings.hop_s)
    ]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The random choices for one example."""

    index: int
    """Index of its window."""
    stretch_factor: float | None
    """Factor of the tempo."""
    overlay: tuple[int, float] | None
    """Index of the window that is added, and the power of the first relative to it in decibels."""
    mixup: tuple[int, float] | None
    """Index of the other window, and the weight of the first."""
    gain_db: float


class WindowExamples:
    """Generates examples from windows: each window once an epoch in random order, or labels equally likely."""

    def __init__(
        self,
        windows: Sequence[Window],
        labels: tuple[str, ...],
        settings: WindowSettings,
        cache: AudioCache,
        seed: int,
        grid: BoxGrid | None = None,
    ) -> None:
        """`grid` is for networks that learn the time and frequency of calls."""
        self.windows, self.labels, self.settings, self.cache, self.seed = windows, labels, settings, cache, seed
        self.grid = grid
        self.rng = np.random.default_rng(seed)
        self.length = WINDOW_S * cache.rate_hz
        self.targets = np.array([[label in each.codes for label in labels] for each in windows], np.float32)
        self.site_ids = np.unique([_site_or_group(each) for each in windows], return_inverse=True)[1]
        no_label = ~self.targets.any(1, keepdims=True)
        self.windows_by_label = [
            np.flatnonzero(column) for column in np.hstack([self.targets, no_label]).T if column.any()
        ]

    @property
    def epoch_size(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def prevalence(self) -> FloatArray:
        """Share of windows with each label."""
        return np.asarray(self.targets.mean(0), np.float32)

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:
        """Return the examples of a step. All random numbers are drawn first, then `run` makes the examples."""
        indices = self._balanced(size) if self.settings.balanced else self._shuffled(step, size)
        waveforms, targets, cells = zip(
            *run(self._make, [self._draw_augmentation(int(index)) for index in indices]), strict=True
        )
        return Batch(np.stack(waveforms), np.stack(targets), np.stack(cells) if self.grid else None)

    def unaugmented(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a window without augmentation, (samples,), its target (labels,) and its cells."""
        window = self.windows[index]
        start = round(window.start_s * self.cache.rate_hz)
        samples = self.cache.excerpt(window.recording, start, self.length)
        return np.pad(samples, (0, self.length - len(samples))), self.targets[index], self._cells(window)

    def _draw_augmentation(self, index: int) -> Augmentation:
        settings = self.settings
        factor = float(self.rng.uniform(*settings.stretch_factor)) if self._happens(settings.stretch_share) else None
        overlay = mixup = None
        if self._happens(settings.overlay_share):
            overlay = self._other_site(index), float(self.rng.uniform(*settings.overlay_snr_db))
        if self._happens(settings.mixup_share):
            mixup = (
                int(self.rng.integers(len(self.windows))),
                float(self.rng.beta(settings.mixup_alpha, settings.mixup_alpha)),
            )
        return Augmentation(index, factor, overlay, mixup, float(self.rng.uniform(*settings.gain_db)))

    def _make(self, augmentation: Augmentation) -> tuple[FloatArray, FloatArray, FloatArray]:
        waveform, target, cells = self.unaugmented(augmentation.index)
        if augmentation.stretch_factor is not None:
            waveform = time_stretch(waveform, augmentation.stretch_factor)
        if augmentation.overlay:
            other, other_target, other_cells = self.unaugmented(augmentation.overlay[0])
            waveform, target = mix_at_snr(waveform, other, augmentation.overlay[1]), np.maximum(target, other_target)
            cells = np.maximum(cells, other_cells)
        if augmentation.mixup:
            other, other_target, other_cells = self.unaugmented(augmentation.mixup[0])
            share = np.float32(augmentation.mixup[1])
            waveform = share * waveform + (1 - share) * other
            target, cells = share * target + (1 - share) * other_target, share * cells + (1 - share) * other_cells
        gain = np.float32(10 ** (augmentation.gain_db / 20))
        return np.clip(waveform * gain, -1, 1), target, cells

    def _shuffled(self, step: int, size: int) -> NDArray[np.intp]:
        """Return windows in random order. The order depends only on the seed and the number of the epoch."""
        positions = np.arange((step - 1) * size, step * size)
        epochs = range(positions[0] // self.epoch_size, positions[-1] // self.epoch_size + 1)
        order = np.concatenate(
            [np.random.default_rng([self.seed, each]).permutation(self.epoch_size) for each in epochs]
        )
        return np.asarray(order[positions - epochs[0] * self.epoch_size])

    def _balanced(self, size: int) -> list[int]:
        """Draw labels, all equally likely and "no label" as one of them, and a window for each."""
        by_label = self.windows_by_label
        return [int(self.rng.choice(by_label[self.rng.integers(len(by_label))])) for _ in range(size)]

    def _other_site(self, index: int) -> int:
        """Draw a window of another site, so that the model does not learn a species by the background of its site."""
        others = np.flatnonzero(self.site_ids != self.site_ids[index])
        return int(self.rng.choice(others)) if len(others) else index

    def _cells(self, window: Window) -> FloatArray:
        if not self.grid:
            return np.zeros(0, np.float32)
        boxes = [each for each in window.recording.strong if each.low_hz is not None and each.high_hz is not None]
        if window.codes and not boxes:
            return self.grid.cells([], self.labels) * np.float32(np.nan)
        inside = [_relative_to_window(each, window.start_s) for each in boxes if _overlap_s(each, window.start_s) > 0]
        return self.grid.cells(inside, self.labels)

    def _happens(self, share: float) -> bool:
        return bool(share) and self.rng.random() < share


def time_stretch(waveform: FloatArray, factor: float) -> FloatArray:
    """Speed up a waveform (samples,) by a factor without a change of pitch, and cut or pad it to its old length.

    A phase vocoder (Flanagan and Golden 1966), like librosa's time_stretch.
    """
    window = torch.hann_window(STRETCH_WINDOW)
    advance = torch.linspace(0, torch.pi * STRETCH_HOP, STRETCH_WINDOW // 2 + 1)[:, None]
    spectrum = torch.stft(torch.from_numpy(waveform), STRETCH_WINDOW, STRETCH_HOP, window=window, return_complex=True)
    stretched = torch.istft(
        phase_vocoder(spectrum, factor, advance), STRETCH_WINDOW, STRETCH_HOP, window=window
    ).numpy()
    return np.pad(stretched[: len(waveform)], (0, max(0, len(waveform) - len(stretched))))


def codes_in_window(recording: Recording, start_s: float, min_overlap_s: float) -> tuple[str, ...]:
    """Return the species in a window: those with a box there, and those of the recording without any box."""
    boxed = {label.code for label in recording.strong}
    inside = {label.code for label in recording.strong if _overlap_s(label, start_s) > min_overlap_s}
    return tuple(sorted(inside | (set(recording.codes) - boxed)))


def _overlap_s(label: StrongLabel, start_s: float) -> float:
    return min(label.offset_s, start_s + WINDOW_S) - max(label.onset_s, start_s)


def _relative_to_window(label: StrongLabel, start_s: float) -> StrongLabel:
    """Return a label with times relative to a window, cut to it."""
    onset_s, offset_s = max(label.onset_s - start_s, 0.0), min(label.offset_s - start_s, WINDOW_S)
    return StrongLabel(label.code, onset_s, offset_s, label.low_hz, label.high_hz)


def _site_or_group(window: Window) -> str:
    return window.recording.site or window.recording.group


def _starts_s(recording: Recording, hop_s: float) -> list[float]:
    try:
        duration_s = soundfile.info(recording.path).duration
        return [number * hop_s for number in range(1 + max(0, int((duration_s - WINDOW_S) / hop_s)))]
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"cannot decode {recording.path}: {error}; copy it again or delete its row") from error
