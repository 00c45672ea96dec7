"""Boxes become cells, and cells become boxes."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_train.data import StrongLabel
from anura_train.data.box_grid import BoxGrid
from anura_train.models import build_network, crnn_cell_edges
from anura_train.models.crnn import BANDS, Crnn
from anura_train.models.settings import CrnnSettings
from anura_train.recipe import BoxLoss
from anura_train.training.losses import make_loss

GRID = BoxGrid(*crnn_cell_edges())
LABELS = ("AAA", "BBB")


def test_grid_covers_window_and_bands() -> None:
    assert GRID.times_s[[0, -1]] == pytest.approx([0, 33 * 8 * 245 / 22_050])
    assert GRID.frequencies_hz[[0, -1]] == pytest.approx([50, 10_000], rel=1e-4)
    assert (np.diff(GRID.frequencies_hz) > 0).all()


def test_crnn_returns_one_frame_per_cell() -> None:
    logits = Crnn(labels=2, width=4, hidden=8, dropout=0.0)(torch.randn(3, 270, 64))
    assert logits.shape == (3, (len(GRID.times_s) - 1) * BANDS, 2)


@given(st.sampled_from(LABELS), st.floats(0, 2.5), st.floats(0.2, 2), st.floats(100, 5_000), st.floats(300, 4_000))
def test_box_round_trip_is_exact_to_one_cell(
    code: str, onset_s: float, long_s: float, low_hz: float, high: float
) -> None:
    box = StrongLabel(code, onset_s, min(onset_s + long_s, 2.9), low_hz, low_hz + high)
    assume(box.offset_s > box.onset_s)
    (found,) = GRID.boxes(GRID.cells([box], LABELS), LABELS, threshold=0.5)
    cell_s = float(np.diff(GRID.times_s).max())
    assert found.code == code
    assert found.low_hz is not None
    assert found.high_hz is not None
    assert found.onset_s == pytest.approx(box.onset_s, abs=cell_s)
    assert found.offset_s == pytest.approx(box.offset_s, abs=cell_s)
    widths = np.diff(GRID.frequencies_hz)
    for found_hz, true_hz in ((found.low_hz, low_hz), (found.high_hz, low_hz + high)):
        assert abs(found_hz - true_hz) <= widths[min(np.searchsorted(GRID.frequencies_hz, true_hz), BANDS - 1)]


def test_crnn_learns_boxes() -> None:
    """Each species is a short tone at its own frequency."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = build_network(CrnnSettings(kind="crnn", width=8, hidden=16, dropout=0.0), labels=2).train()
    loss = make_loss(BoxLoss(kind="boxes", pos_weight=5.0), torch.ones(2))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)

    def example() -> tuple[FloatArray, StrongLabel]:
        species, onset_s = int(rng.integers(2)), float(rng.uniform(0.2, 1.2))
        low_hz = (700, 3_000)[species]
        time_s = np.arange(3 * 22_050) / 22_050
        tone = np.sin(2 * np.pi * (low_hz + 150) * time_s) * ((onset_s < time_s) & (time_s < onset_s + 1.2))
        noisy = (0.2 * tone + rng.normal(0, 0.003, len(time_s))).astype(np.float32)
        return noisy, StrongLabel(LABELS[species], onset_s, onset_s + 1.2, low_hz, low_hz + 300)

    for _ in range(25):
        sounds, boxes = zip(*(example() for _ in range(4)), strict=True)
        features = net.features(torch.from_numpy(np.stack(sounds)))
        cells = torch.from_numpy(np.stack([GRID.cells([box], LABELS) for box in boxes]))
        optimizer.zero_grad()
        loss(net.frame_logits(features), cells.amax(1), cells).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    sound, box = example()
    net.eval()
    with torch.no_grad():
        cells = torch.sigmoid(net.frame_logits(net.features(torch.from_numpy(sound)[None])))[0]
    (found,) = GRID.boxes(cells.numpy(), LABELS, 0.5)
    assert found.code == box.code
    assert found.onset_s == pytest.approx(box.onset_s, abs=0.2)
    assert found.offset_s == pytest.approx(box.offset_s, abs=0.2)
    assert found.low_hz is not None
    assert found.high_hz is not None
    assert box.low_hz is not None
    assert found.low_hz < box.low_hz + 150 < found.high_hz


def test_two_calls_of_a_species_are_two_boxes() -> None:
    calls = [
        StrongLabel("AAA", 0.2, 0.8, 500, 1_500),
        StrongLabel("AAA", 1.5, 2.0, 3_000, 5_000),
        StrongLabel("ZZZ", 0, 2, 100, 200),
    ]
    found = GRID.boxes(GRID.cells(calls, LABELS), LABELS, threshold=0.5)
    assert [round(box.onset_s, 1) for box in found] == [0.2, 1.5]


def test_shortest_call_has_one_cell() -> None:
    assert GRID.cells([StrongLabel("BBB", 1.0, 1.001, 1_000, 1_001)], LABELS).sum() == 1


def test_silence_has_no_boxes() -> None:
    assert GRID.boxes(GRID.cells([], LABELS), LABELS, threshold=0.5) == []
