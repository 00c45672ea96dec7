"""Costs agree with hand counts and with published ones."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from anura_train.benchmark.cost import measure_cost, model_costs
from anura_train.cli import main
from anura_train.models.settings import AstSettings, StreamSettings

RECIPES = Path(__file__).parents[3] / "train/recipes"


def test_the_cost_of_ast_is_the_published_one() -> None:
    settings = AstSettings(kind="ast", size="base", stride=10, mean=0, std=1, dropout=0)
    cost = measure_cost(settings)
    # 86 M parameters; its attention and layers over 350 tokens, and the front end's DFT of 514 by 400 in 298 frames.
    tokens, width = 2 + 12 * 29, 768
    layers = 12 * (12 * tokens * width**2 + 2 * tokens**2 * width) + 16 * 16 * width * 12 * 29 + width * 42
    front_end = 298 * (514 * 400 + 257 * 128)
    assert cost.mmac_per_s == pytest.approx((layers + front_end) / 1e6, rel=1e-4)
    assert cost.parameters == pytest.approx(85.56e6, rel=1e-3)


def test_the_cost_of_a_stream_is_that_of_its_steps() -> None:
    cost = measure_cost(StreamSettings(kind="stream", width=24, hidden=96, dropout=0.3))
    assert 10 < cost.mmac_per_s < 15
    assert cost.input_s == 0.044


def test_only_variants_with_another_network_are_listed() -> None:
    names = set(model_costs([RECIPES / "cnn_thesis.yaml"]))
    assert {"cnn_thesis", "cnn_thesis densenet121", "cnn_thesis inceptionv3"} <= names
    assert "cnn_thesis time-mask" not in names


def test_the_command_prints_the_table() -> None:
    done = CliRunner().invoke(main.app, ["models", str(RECIPES / "student_stream.yaml")])
    assert done.exit_code == 0, done.output
    assert "| student_stream | 117,618 |" in done.output
