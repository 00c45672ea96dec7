"""A stream model knows nothing of the future and does not care how it is cut; a window model counts its windows."""

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
    """A network with random weights, larger than at birth: its scores must move for a law to mean anything."""
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
    """Noise whose loudness changes with each step, (1, samples)."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(10 ** rng.uniform(-3, -0.5, steps), FRAME_SAMPLES)
    return torch.from_numpy((rng.normal(size=(1, steps * FRAME_SAMPLES)) * loudness).astype(np.float32))


@torch.no_grad()
def whole(stream: StreamNet, audio: Tensor) -> Tensor:
    return stream(audio, *stream.initial_state(len(audio)))[0]


def test_the_scores_move(stream: StreamNet) -> None:
    assert whole(stream, noise(40)).std(1).min() > 0.02


@hypothesis_settings(max_examples=25)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 5))
def test_chunks_make_no_difference(stream: StreamNet, steps: list[int], seed: int) -> None:
    audio = noise(sum(steps), seed)
    states, parts = stream.initial_state(1), []
    with torch.no_grad():
        for chunk in audio.split([step * FRAME_SAMPLES for step in steps], dim=1):
            part, *states = stream(chunk, *states)
            parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole(stream, audio), atol=1e-5)


@hypothesis_settings(max_examples=25)
@given(st.integers(1, 39))
def test_the_future_does_not_change_the_past(stream: StreamNet, steps: int) -> None:
    heard, changed = noise(40), noise(40)
    changed[:, steps * FRAME_SAMPLES :] = noise(40, seed=9)[:, steps * FRAME_SAMPLES :]
    assert torch.equal(whole(stream, heard)[:, :steps], whole(stream, changed)[:, :steps])
    assert not torch.equal(whole(stream, heard)[:, steps:], whole(stream, changed)[:, steps:])


def test_neighbours_in_a_batch_do_not_hear_each_other(stream: StreamNet) -> None:
    first, second = noise(10, 1), noise(10, 2)
    together = whole(stream, torch.cat([first, second]))
    assert torch.allclose(together[:1], whole(stream, first), atol=1e-5)
    assert torch.allclose(together[1:], whole(stream, second), atol=1e-5)


def test_states_keep_their_shapes(stream: StreamNet) -> None:
    states = stream.initial_state(2)
    with torch.no_grad():
        _, *news = stream(torch.cat([noise(5), noise(5)]), *states)
    assert [new.shape for new in news] == [old.shape for old in states]


@pytest.mark.parametrize(("samples", "rows"), [(1, 1), (FRAME_SAMPLES, 1), (FRAME_SAMPLES + 1, 2)])
def test_a_recording_is_scored_to_its_last_sample(stream: StreamNet, samples: int, rows: int) -> None:
    assert stream.predict(torch.zeros(samples)).shape == (rows, 3)


def test_rows_of_a_recording_are_what_the_device_computes(stream: StreamNet) -> None:
    """It gives them late, when it has heard what it looks ahead: silence after the end."""
    audio, ahead = noise(20), stream.lookahead_samples // FRAME_SAMPLES
    with torch.no_grad():
        given_late = whole(stream, torch.nn.functional.pad(audio, (0, stream.lookahead_samples)))[0, ahead:]
        assert torch.allclose(torch.sigmoid(stream.predict(audio[0])), given_late, atol=1e-6)


def test_a_score_speaks_about_the_middle_of_what_it_is_the_mean_of(stream: StreamNet) -> None:
    steps = 200
    logits = torch.full((1, steps, 3), SILENCE_LOGIT)
    logits[:, 90:110] = 8
    confirmed = stream.average(logits, stream.initial_state(1)[-1])[0][0, :, 0]
    highest = torch.nonzero(confirmed >= confirmed.max() - 1e-4).squeeze(1) - stream.lookahead_samples // FRAME_SAMPLES
    assert 99 <= highest.float().mean() <= 100


@pytest.mark.parametrize(("seconds", "rows"), [(0.5, 1), (3, 1), (3.1, 2), (4, 2), (5.5, 4)])
def test_a_window_model_scores_a_window_a_second(window: WindowNet, seconds: float, rows: int) -> None:
    with torch.no_grad():
        assert window.predict(torch.zeros(round(seconds * 22_050))).shape == (rows, 3)


def test_each_window_is_scored_as_if_alone(window: WindowNet) -> None:
    audio = noise(113)[0, : 5 * 22_050]
    with torch.no_grad():
        rows = torch.sigmoid(window.predict(audio))
        alone = [window(audio[None, start : start + 66_150])[0] for start in (0, 22_050, 44_100)]
    assert torch.allclose(rows, torch.stack(alone), atol=1e-5)


def test_the_default_student_is_small() -> None:
    sizes = [sum(p.numel() for p in StreamNet(18, width, 96, 0.3).parameters()) for width in (16, 24, 32)]
    assert all(small < large for small, large in pairwise(sizes))
    assert sizes[1] < 400_000
