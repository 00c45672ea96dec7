"""Each loss decreases when the logits move towards the labels, and does what its name says."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch.nn import functional

from anura_train.recipe import LossSettings
from anura_train.training.losses import Loss, dice_loss, focal_loss, make_loss, weak_label_loss

RARE = torch.tensor([0.01, 0.5])


def loss(kind: str, **settings: Any) -> Loss:
    return make_loss(TypeAdapter(LossSettings).validate_python({"kind": kind} | settings), RARE)


@pytest.mark.parametrize("present", [0, 1])
def test_weak_label_loss_decreases_towards_the_label(present: int) -> None:
    target = torch.full((1, 1), float(present))
    losses = [float(weak_label_loss(torch.full((1, 10, 1), logit), target)) for logit in (-4.0, 0.0, 4.0)]
    assert losses == sorted(losses, reverse=bool(present))


def test_a_call_in_a_third_of_the_frames_is_enough() -> None:
    target = torch.ones(1, 1)
    sometimes = torch.full((1, 10, 1), -6.0)
    sometimes[:, 4:7] = 6.0
    assert weak_label_loss(sometimes, target) < 0.01


@pytest.mark.parametrize("kind", ["topk_pooling", "bce", "focal", "asymmetric", "logit_adjusted"])
@pytest.mark.parametrize("present", [0, 1])
def test_every_loss_decreases_towards_the_label(kind: str, present: int) -> None:
    target = torch.full((3, 2), float(present))
    losses = [float(loss(kind)(torch.full((3, 1, 2), logit), target, None)) for logit in (-4.0, 0.0, 4.0)]
    assert losses == sorted(losses, reverse=bool(present))


def test_bce_is_that_of_torch_for_the_highest_frame() -> None:
    logits, target = torch.randn(4, 5, 2), torch.rand(4, 2)
    expected = functional.binary_cross_entropy_with_logits(logits.amax(1), target)
    assert torch.equal(loss("bce")(logits, target, None), expected)
    assert torch.equal(focal_loss(logits.amax(1), target, gamma=0.0), expected)


def test_a_rare_label_weighs_more_up_to_the_limit() -> None:
    logits, target = torch.zeros(1, 1, 2), torch.eye(2)
    rare, common = (loss("bce", max_pos_weight=10)(logits, target[[label]], None) for label in (0, 1))
    plain = loss("bce")(logits, target[[0]], None)
    assert rare / plain == pytest.approx((10 + 1) / 2)
    assert common / plain == pytest.approx(1)


def test_focal_loss_weighs_right_labels_little() -> None:
    target = torch.ones(1, 2)
    right, wrong = torch.full((1, 1, 2), 3.0), torch.full((1, 1, 2), -3.0)
    plain = loss("bce")(wrong, target, None) / loss("bce")(right, target, None)
    assert loss("focal")(wrong, target, None) / loss("focal")(right, target, None) > 100 * plain


def test_logit_adjustment_starts_from_the_prevalence() -> None:
    # At a logit of zero the probability of a label is its prevalence, where the loss is lowest.
    logits = torch.zeros(1, 1, 2, requires_grad=True)
    loss("logit_adjusted")(logits, RARE[None], None).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


def test_box_loss_uses_cells_where_there_are_boxes() -> None:
    boxes = loss("boxes", pos_weight=4.0, dice_weight=0.0)
    logits, target = torch.randn(2, 6, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    cells = torch.zeros(2, 6, 2)
    cells[0, 2:4, 0] = 1
    cells[1] = torch.nan
    drawn = functional.binary_cross_entropy_with_logits(logits[0], cells[0], pos_weight=torch.tensor(4.0))
    weak = functional.binary_cross_entropy_with_logits(logits[1].amax(0), target[1])
    assert torch.allclose(boxes(logits, target, cells), (drawn + weak) / 2)


def test_box_loss_needs_cells() -> None:
    with pytest.raises(ValueError, match="cells"):
        loss("boxes")(torch.zeros(1, 6, 2), torch.zeros(1, 2), None)


def test_dice_is_0_for_perfect_and_1_for_empty_detection() -> None:
    cells = torch.zeros(1, 6, 2)
    cells[0, 2:4, 0] = 1
    assert dice_loss(cells * 40 - 20, cells) == pytest.approx(0, abs=1e-6)
    assert dice_loss(torch.full_like(cells, -20), cells) == pytest.approx(1, abs=1e-6)
    assert dice_loss(torch.full_like(cells, -20), torch.zeros_like(cells)) == 0
