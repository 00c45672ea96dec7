"""Hours of effort of a device."""

from typing import Any


def test_gated_and_paused_audio_is_not_analysed(sender, make: Any) -> None:  # noqa: ANN001
    saved = make.effort(1, make.state.GATED, 5.0), make.effort(2, make.state.PAUSED, 2.0)
    assert sender.rows(*saved, make.effort(3, hours=1.5)) == 3
    hours = sender.view().effort_h
    assert (hours["analysed"], hours["gated"], hours["paused"]) == (1.5, 5, 2)


def test_hour_that_two_models_analysed_counts_once(sender, make: Any) -> None:  # noqa: ANN001
    by_another = make.effort(2).model_copy(update={"model_sha256": "another"})
    sender.rows(make.effort(1), by_another)
    assert sender.view().effort_h["analysed"] == 1
