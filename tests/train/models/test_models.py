"""Stream models are causal and independent of chunks; window models score the right windows."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from anura_train.models import build_network
from anura_train.models.settings import CnnSettings, MeanSubtractedFeatures
from anura_train.models.stream import FRAME_SAMPLES, SILENCE_LOGIT, StreamNet
from anura_train.models.window import WindowNet


@pytest.fixture(scope="module")
def stream() -> StreamNet:
    """A network with large random weights: constant scores would pass any of these tests."""
    torch.manual_seed(0)
    net = StreamNet(labels=3, width=8, hidden=16, dropout=0.3).eval()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.dim() > 1:
                weight.mul_(3)
        net.head.bias.zero_()
    return net


@pytest.fixture(scope="module")
def window() -> WindowNet:
    torch.manual_seed(0)
    features = MeanSubtractedFeatures(kind="mean_subtracted")
    net = build_network(CnnSettings(kind="cnn", network="resnet18", features=features, dropout=0.3), labels=3).eval()
    assert isinstance(net, WindowNet)
    return net


def noise(steps: int, seed: int = 0) -> Tensor:
    """Noise with another level in each frame, (1, samples)."""
    rng = np.random.default_rng(seed)
    level = np.repeat(10 ** rng.uniform(-3, -0.5, steps), FRAME_SAMPLES)
    return torch.from_numpy((rng.normal(size=(1, steps * FRAME_SAMPLES)) * level).astype(np.float32))


@torch.no_grad()
def whole(stream: StreamNet, audio: Tensor) -> Tensor:
    return stream(audio, *stream.initial_state(len(audio)))[0]


def test_scores_change_over_time(stream: StreamNet) -> None:
    assert whole(stream, noise(40)).std(1).min() > 0.02


@hypothesis_settings(max_examples=12)
@given(st.lists(st.integers(1, 25), min_size=1, max_size=6), st.integers(0, 5))
def test_chunk_length_does_not_change_the_output(stream: StreamNet, steps: list[int], seed: int) -> None:
    audio = noise(sum(steps), seed)
    states, parts = stream.initial_state(1), []
    with torch.no_grad():
        for chunk in audio.split([step * FRAME_SAMPLES for step in steps], dim=1):
            part, *states = stream(chunk, *states)
            parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole(stream, audio), atol=1e-5)


@hypothesis_settings(max_examples=8)
@given(st.integers(1, 39))
def test_scores_do_not_depend_on_later_samples(stream: StreamNet, steps: int) -> None:
    audio, changed = noise(40), noise(40)
    changed[:, steps * FRAME_SAMPLES :] = noise(40, seed=9)[:, steps * FRAME_SAMPLES :]
    assert torch.equal(whole(stream, audio)[:, :steps], whole(stream, changed)[:, :steps])
    assert not torch.equal(whole(stream, audio)[:, steps:], whole(stream, changed)[:, steps:])


def test_examples_of_a_batch_are_independent(stream: StreamNet) -> None:
    first, second = noise(10, 1), noise(10, 2)
    together = whole(stream, torch.cat([first, second]))
    assert torch.allclose(together[:1], whole(stream, first), atol=1e-5)
    assert torch.allclose(together[1:], whole(stream, second), atol=1e-5)


def test_states_keep_their_shapes(stream: StreamNet) -> None:
    states = stream.initial_state(2)
    with torch.no_grad():
        _, *news = stream(torch.cat([noise(5), noise(5)]), *states)
    assert [new.shape for new in news] == [old.shape for old in states]


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (FRAME_SAMPLES, 1), (FRAME_SAMPLES + 1, 2)])
def test_recording_is_scored_to_its_last_sample(stream: StreamNet, samples: int, frames: int) -> None:
    assert stream.predict(torch.zeros(samples)).shape == (frames, 3)


def test_predicted_frames_equal_the_streamed_ones(stream: StreamNet) -> None:
    """The device returns them after the lookahead, which is silence after the end."""
    audio, ahead = noise(20), stream.lookahead_samples // FRAME_SAMPLES
    with torch.no_grad():
        given_late = whole(stream, torch.nn.functional.pad(audio, (0, stream.lookahead_samples)))[0, ahead:]
        assert torch.allclose(torch.sigmoid(stream.predict(audio[0])), given_late, atol=1e-6)


def test_temporal_average_is_centred(stream: StreamNet) -> None:
    steps = 200
    logits = torch.full((1, steps, 3), SILENCE_LOGIT)
    logits[:, 90:110] = 8
    confirmed = stream.average(logits, stream.initial_state(1)[-1])[0][0, :, 0]
    highest = torch.nonzero(confirmed >= confirmed.max() - 1e-4).squeeze(1) - stream.lookahead_samples // FRAME_SAMPLES
    assert 99 <= highest.float().mean() <= 100


@pytest.mark.parametrize(("seconds", "frames"), [(0.5, 1), (3, 1), (3.1, 2), (4, 2), (5.5, 4)])
def test_window_model_scores_one_window_a_second(window: WindowNet, seconds: float, frames: int) -> None:
    with torch.no_grad():
        assert window.predict(torch.zeros(round(seconds * 22_050))).shape == (frames, 3)


def test_windows_are_scored_independently(window: WindowNet) -> None:
    audio = noise(113)[0, : 5 * 22_050]
    with torch.no_grad():
        frames = torch.sigmoid(window.predict(audio))
        alone = [window(audio[None, start : start + 66_150])[0] for start in (0, 22_050, 44_100)]
    assert torch.allclose(frames, torch.stack(alone), atol=1e-5)


def test_default_student_is_small() -> None:
    sizes = [sum(p.numel() for p in StreamNet(18, width, 96, 0.3).parameters()) for width in (16, 24, 32)]
    assert all(small < large for small, large in pairwise(sizes))
    assert sizes[1] < 400_000
