"""Each step is in the log once, also after a kill."""

from pathlib import Path

import pytest
from lightning_fabric.loggers import tensorboard

from anura_edge.errors import ConfigError, SourceError
from anura_train.training.logs import CpuTimeLog, CsvLog, TensorBoardLog, read_cpu_seconds
from anura_train.training.loop import Step


def step(number: int) -> Step:
    return Step(number, of=9, loss=number / 3, learning_rate=0.01, micro_f1=0.5 if number % 2 else None)


def write(path: Path, numbers: range) -> None:
    log = CsvLog(path)
    for number in numbers:
        log.write(step(number))


def test_steps_that_are_done_again_are_written_once(tmp_path: Path) -> None:
    write(tmp_path / "whole.csv", range(1, 10))
    write(tmp_path / "killed.csv", range(1, 7))
    write(tmp_path / "killed.csv", range(4, 10))
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "whole.csv").read_text().splitlines()[0] == "step,loss,learning_rate,micro_f1"


def test_a_truncated_line_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "whole.csv", range(1, 10))
    write(tmp_path / "killed.csv", range(1, 7))
    text = (tmp_path / "killed.csv").read_bytes()
    (tmp_path / "killed.csv").write_bytes(text[:-9])
    write(tmp_path / "killed.csv", range(6, 10))
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_new_training_replaces_the_old_log(tmp_path: Path) -> None:
    write(tmp_path / "log.csv", range(1, 10))
    write(tmp_path / "log.csv", range(1, 3))
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_tensorboard_has_every_step(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    for number in range(1, 4):
        log.write(step(number))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [each.step for each in found.Scalars("loss")] == [1, 2, 3]
    assert [each.value for each in found.Scalars("micro_f1")] == [0.5, 0.5]


def test_a_missing_tensorboard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(tensorboard, name, value=False)
    with pytest.raises(ConfigError, match="pip install"):
        TensorBoardLog(tmp_path)


def test_cpu_time_continues_after_a_kill_only(tmp_path: Path) -> None:
    path = tmp_path / "log/fold-0.seconds"
    CpuTimeLog(path).write(Step(1, 9, 0.0, 0.0))
    path.write_text("100.0\n")
    CpuTimeLog(path).write(Step(5, 9, 0.0, 0.0))
    assert read_cpu_seconds(path) >= 100
    CpuTimeLog(path).write(Step(1, 9, 0.0, 0.0))
    assert read_cpu_seconds(path) < 100
    with pytest.raises(SourceError, match="anura-train fit"):
        read_cpu_seconds(tmp_path / "none")
