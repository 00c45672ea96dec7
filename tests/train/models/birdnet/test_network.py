"""The front end and the body of BirdNET, without the published weights."""

import numpy as np
import pytest
import torch

from anura_train.models.birdnet.frontend import (
    FRAMES,
    MELS,
    WINDOW_SAMPLES,
    BirdnetFrontEnd,
    BirdnetMel,
    LowBirdnetMel,
    MelConstants,
    gain_and_shift,
)
from anura_train.models.birdnet.network import EMBEDDING, BirdnetBody


def constants(frame: int, hop: int) -> MelConstants:
    rng = np.random.default_rng(0)
    filters = np.zeros((MELS, frame // 2 + 1), np.float32)
    filters[:, 1:120] = rng.uniform(0, 1, (MELS, 119))
    return MelConstants(np.hanning(frame + 1)[:-1].astype(np.float32), filters, hop, 0.2, 0.5, -0.1)


@pytest.mark.parametrize(
    ("kind", "frame", "hop"),
    [(BirdnetMel, 2_048, 278), (LowBirdnetMel, 2_048, 278), (BirdnetMel, 1_024, 280)],
)
def test_spectrogram_equals_mel_filters_on_the_real_spectrum(kind: type[BirdnetMel], frame: int, hop: int) -> None:
    given = constants(frame, hop)
    spectrogram = kind(frame, hop)
    spectrogram.set_constants(given)
    audio = np.random.default_rng(1).normal(0, 0.1, WINDOW_SAMPLES)
    frames = np.lib.stride_tricks.sliding_window_view(audio + 0.3, frame)[::hop]
    bands = np.fft.rfft(frames * given.window).real @ given.mel_filters.T  # (FRAMES, MELS)
    expected = given.scale * (bands**2) ** given.exponent + given.offset
    found = spectrogram(torch.from_numpy(audio[None]).float(), torch.tensor([[0.3]]))[0].numpy()
    np.testing.assert_allclose(found, expected.T[::-1], atol=2e-3)


def test_other_frames_or_hops_are_an_error() -> None:
    with pytest.raises(ValueError, match="frames of 1024 and hops of 278"):
        BirdnetMel(2_048, 278).set_constants(constants(1_024, 278))


def test_bands_above_3_khz_of_decimated_audio_are_an_error() -> None:
    given = constants(2_048, 278)
    given.mel_filters[0, 200] = 1
    with pytest.raises(ValueError, match="ends at bin 200 of 2048, above 3 kHz"):
        LowBirdnetMel(2_048, 278).set_constants(given)


def test_window_is_scaled_to_its_minimum_and_maximum() -> None:
    audio = torch.tensor([[0.1, -0.2, 0.4], [0.0, 0.0, 0.0]])
    gain, shift = gain_and_shift(audio)
    scaled = audio * gain + shift
    torch.testing.assert_close(scaled[0], torch.tensor([0.0, -1.0, 1.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled[1], torch.tensor([-1.0, -1.0, -1.0]))


def test_features_do_not_depend_on_level() -> None:
    front_end = BirdnetFrontEnd()
    for spectrogram in front_end.spectrograms:
        assert isinstance(spectrogram, BirdnetMel)
        spectrogram.set_constants(constants(spectrogram.frame, spectrogram.hop))
    audio = torch.from_numpy(np.random.default_rng(2).normal(0, 0.1, (1, WINDOW_SAMPLES)).astype(np.float32))
    features = front_end(audio)
    assert features.shape == (1, 2, MELS, FRAMES)
    torch.testing.assert_close(front_end(0.1 * audio), features, atol=0.05, rtol=0)


def test_body_returns_one_frame_of_logits() -> None:
    with torch.device("meta"):
        body = BirdnetBody(5)
    features = torch.empty(2, 2, MELS, FRAMES, device="meta")
    assert body.embeddings(features).shape == (2, EMBEDDING)
    assert body(features).shape == (2, 1, 5)
    assert sum(weight.numel() for name, weight in body.named_parameters() if "head" not in name) == 6_084_175
