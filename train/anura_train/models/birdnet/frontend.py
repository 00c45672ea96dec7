"""The two mel spectrograms of BirdNET v2.4, computed from a window of 3 s at 48 kHz.

BirdNET uses only the real part of the spectrum, and it applies the mel filters before it squares. So each band is a
linear function of a frame: the product with one kernel, which is the sum of the windowed cosines in the band's mel
filter. Window function and cosines are symmetric about the middle of the frame, so samples n and N - n are added first.
The first spectrogram ends at 3 kHz, so its audio is decimated by four. Both need 48 million multiply-adds per window of
3 s; a DFT as a convolution needs 1.6 billion.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from anura_train.models.birdnet.decimation import BLOCK, FACTOR, PHASES, Decimator

RATE_HZ, WINDOW_SAMPLES = 48_000, 144_000
MELS, FRAMES = 96, 511

RANGE_OFFSET = 1e-6
"""Added to maximum - minimum before the division, so that digital silence is finite; from the published graph."""


@dataclass(frozen=True, slots=True, eq=False)
class MelConstants:
    """The constants of one spectrogram."""

    window: NDArray[np.float32]
    """Weights of the samples of a frame (Hann, periodic), shape (frame,)."""
    mel_filters: NDArray[np.float32]
    """Weights of the bins in each band, shape (MELS, frame / 2 + 1)."""
    hop: int
    """Samples from one frame to the next."""
    exponent: float
    """The squared band is raised to this power."""
    scale: float
    offset: float
    """Batch normalisation of the spectrogram: scale * value + offset."""


class BirdnetMel(nn.Module):
    """One spectrogram: scale * |kernel * frame| ^ (2 * exponent) + offset, the highest band first."""

    kernels: Tensor
    kernel_sums: Tensor
    exponent: Tensor
    scale: Tensor
    offset: Tensor

    def __init__(self, frame: int, hop: int, factor: int = 1) -> None:
        """Prepare for frames and hops in samples. Kernels apply to audio that is decimated by `factor`."""
        super().__init__()
        self.frame, self.hop, self.factor = frame, hop, factor
        self.register_buffer("kernels", torch.zeros(MELS, frame // 2 // factor))
        self.register_buffer("kernel_sums", torch.zeros(MELS, 1))
        self.register_buffer("exponent", torch.ones(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("offset", torch.zeros(()))

    def set_constants(self, constants: MelConstants) -> None:
        """Compute the kernels from the constants of the file. Raises ValueError for other frames, hops or bands."""
        if (len(constants.window), constants.hop) != (self.frame, self.hop):
            raise ValueError(f"a spectrogram has frames of {len(constants.window)} and hops of {constants.hop} samples")
        kernels = _kernels(constants)
        decimated = self.factor * kernels[:, self.factor - 1 :: self.factor]
        self.kernels.copy_(torch.from_numpy(decimated))
        # The middle sample counts once in a folded frame, all others twice; sample 0 has the weight 0.
        self.kernel_sums.copy_(torch.from_numpy(2 * kernels.sum(1, keepdims=True) - kernels[:, -1:]))
        self.exponent.fill_(constants.exponent)
        self.scale.fill_(constants.scale)
        self.offset.fill_(constants.offset)

    def forward(self, audio: Tensor, shift: Tensor) -> Tensor:
        """Return features (B, MELS, FRAMES) of audio (B, WINDOW_SAMPLES) + shift (B, 1).

        A constant changes only the lowest bands. It is added after the kernels: its rounding errors in the audio would
        be larger than the other bands of a quiet frame.
        """
        bands = self.bands(audio) + self.kernel_sums * shift.unsqueeze(2)
        # |x| ^ p with exp and log: ONNX Runtime computes these with vector instructions, but not pow.
        power = torch.exp(torch.log(bands.abs()) * (2 * self.exponent))
        return self.scale * power + self.offset

    def bands(self, audio: Tensor) -> Tensor:
        """Return the bands of the audio, (B, MELS, FRAMES)."""
        return self.kernels @ _folded_frames(audio, WINDOW_SAMPLES, self.frame, self.hop, FRAMES)


class LowBirdnetMel(BirdnetMel):
    """A spectrogram whose bands end at 3 kHz or below, computed from decimated audio."""

    def __init__(self, frame: int, hop: int) -> None:
        """Prepare for a hop that is even and not a multiple of four: every second frame uses the second phase."""
        super().__init__(frame, hop, FACTOR)
        self.decimator = Decimator(WINDOW_SAMPLES)

    def set_constants(self, constants: MelConstants) -> None:
        """Compute the kernels from the constants of the file. Raises ValueError for other frames, hops or bands."""
        bins = np.flatnonzero(constants.mel_filters.any(0))
        if bins.max() > len(constants.window) // 16:
            raise ValueError(f"a spectrogram ends at bin {bins.max()} of {len(constants.window)}, above 3 kHz")
        super().set_constants(constants)

    def bands(self, audio: Tensor) -> Tensor:
        """Return the bands of the audio, (B, MELS, FRAMES)."""
        first, second = self.decimator(audio)
        skipped = (self.hop - PHASES[1]) // FACTOR  # samples of the second phase before frame 1
        frame, hop, frames = self.frame // FACTOR, self.hop // 2, FRAMES // 2
        length = self.decimator.blocks * BLOCK // FACTOR
        even = self.kernels @ _folded_frames(first, length, frame, hop, frames + 1)
        odd = self.kernels @ _folded_frames(second[:, skipped:], length - skipped, frame, hop, frames)
        return torch.stack([even, F.pad(odd, (0, 1))], 3).flatten(2)[:, :, :FRAMES]


class BirdnetFrontEnd(nn.Module):
    """Scale a window by its own minimum and maximum; return both spectrograms as two channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrograms = nn.ModuleList([LowBirdnetMel(2_048, 278), BirdnetMel(1_024, 280)])

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, WINDOW_SAMPLES) of any scale to features (B, 2, MELS, FRAMES)."""
        gain, shift = gain_and_shift(audio)
        return torch.stack([spectrogram(audio * gain, shift) for spectrogram in self.spectrograms], 1)


def gain_and_shift(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Return gain and shift, (B, 1) each: audio (B, N) * gain + shift has the minimum -1 and the maximum 1."""
    lowest = audio.amin(1, keepdim=True)
    gain = 2 / (audio.amax(1, keepdim=True) - lowest + RANGE_OFFSET)
    return gain, -lowest * gain - 1


def _folded_frames(audio: Tensor, length: int, frame: int, hop: int, frames: int) -> Tensor:
    """Return x[n] + x[N - n], n = 1 to N / 2, of each frame of N samples, (B, N / 2, frames); the middle counts once.

    The audio has the shape (B, length). `length` is an argument so that the exported graph has constant shapes.
    """
    hops_in_frame = -(-frame // hop)
    samples = (frames - 1 + hops_in_frame) * hop
    audio = F.pad(audio, (0, max(samples - length, 0)))[:, :samples]
    hops = audio.reshape(-1, frames - 1 + hops_in_frame, hop).transpose(1, 2)  # (B, hop, hops)
    framed = torch.cat([hops[:, :, first : first + frames] for first in range(hops_in_frame)], 1)
    half = frame // 2
    return F.pad(framed[:, 1:half], (0, 0, 0, 1)) + framed[:, half:frame].flip(1)


def _kernels(constants: MelConstants) -> NDArray[np.float64]:
    """Return the kernels of the bands, the highest first, for samples 1 to N / 2: (MELS, N / 2)."""
    frame = len(constants.window)
    bins = np.flatnonzero(constants.mel_filters.any(0))  # bins with a weight in any band
    samples = np.arange(1, frame // 2 + 1)
    cosines = np.cos(np.outer(bins, samples) * (2 * np.pi / frame))
    kernels = constants.mel_filters[:, bins].astype(np.float64) @ (cosines * constants.window[samples])
    return np.asarray(kernels[::-1].copy())
