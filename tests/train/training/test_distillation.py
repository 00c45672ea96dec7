"""A student learns what its teachers hear, and no teacher has heard what the student is tested on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning_fabric import Fabric
from torch import Tensor
from typer.testing import CliRunner

from anura_edge.errors import ConfigError, ModelError
from anura_train.batches.build import prepare_training_data
from anura_train.checkpoints.final import load_checkpoint, load_logits
from anura_train.checkpoints.resume import fingerprint, load_final_weights
from anura_train.cli import main
from anura_train.data import Corpus
from anura_train.data.folds import cross_validation_folds
from anura_train.models import Net, build_network
from anura_train.models.settings import RATE_HZ
from anura_train.recipe import Recipe
from anura_train.training.distillation import Teachers, logits_per_second
from anura_train.training.folds import RunContext, fit_final, fit_fold
from anura_train.training.logit_cache import LogitCache
from anura_train.training.loop import fit
from anura_train.training.teachers import load_teachers

BENCH = Fabric(accelerator="cpu", devices=1)


def changed(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | changes)


@pytest.fixture
def taught(recipe: Recipe) -> Recipe:
    """Learns from its teachers alone."""
    return changed(recipe, id="student", seed=8, fold_seed=recipe.seed, steps=2, distillation={"label_weight": 0.0})


@pytest.fixture
def folder(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> Path:
    """What a teacher of two steps left."""
    teacher, bench = recipe.model_copy(update={"steps": 2}), RunContext(tmp_path / "teacher", BENCH)
    for fold in range(teacher.folds):
        fit_fold(teacher, corpus, fold, bench, lambda _: None)
    fit_final(teacher, corpus, bench, lambda _: None)
    return bench.out


def noise(examples: int, seconds: float) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(0, 0.1, (examples, round(seconds * RATE_HZ))).astype(np.float32))


def teacher_of(recipe: Recipe, corpus: Corpus) -> Net:
    return fit(recipe, prepare_training_data(recipe, corpus, corpus.labels()), lambda _: None)


def test_a_student_of_teachers_alone_hears_what_they_hear(recipe: Recipe, corpus: Corpus) -> None:
    teacher = teacher_of(recipe, corpus)
    pupil = changed(recipe, seed=8, fold_seed=3, distillation={"label_weight": 0.0})
    lesson = prepare_training_data(pupil, corpus, corpus.labels())
    teachers = Teachers([teacher], pupil.example_s)
    student = fit(pupil, lesson, lambda _: None, teachers=teachers)
    untaught = build_network(pupil.model, len(corpus.labels())).eval()
    waveforms = torch.from_numpy(lesson.examples.batch(1, 32).waveforms)

    def loss(net: Net) -> float:
        with torch.no_grad():
            return float(teachers.loss(net.frame_logits(net.features(waveforms)), waveforms, net.rate_hz))

    assert loss(teacher) < loss(student) < 0.7 * loss(untaught)


def test_no_loss_is_below_that_of_saying_what_the_teachers_say(recipe: Recipe) -> None:
    torch.manual_seed(0)
    teacher = build_network(recipe.model, 3).eval()
    audio = noise(4, recipe.example_s)
    teachers = Teachers([teacher], recipe.example_s)
    with torch.no_grad():
        logits = teacher.frame_logits(teacher.features(audio))
        best = teachers.loss(logits, audio, RATE_HZ)
        for shift in (-1.0, 1.0):
            assert teachers.loss(logits + shift, audio, RATE_HZ) > best


def test_where_no_frog_was_put_there_is_nothing_to_hear_whatever_teachers_say(recipe: Recipe) -> None:
    torch.manual_seed(0)
    teacher = build_network(recipe.model, 3).eval()
    audio = noise(2, recipe.example_s)
    teachers = Teachers([teacher], recipe.example_s)
    calling = torch.tensor([[1.0, 0.0], [0.0, 0.0]])

    def loss(calling: Tensor, *level: float) -> float:
        """Judge a student that is as sure in each second of each example as it is told to be."""
        rows = torch.tensor(level).reshape(2, 2).repeat_interleave(20, dim=1)[:, :, None].expand(2, 40, 3)
        return float(teachers.loss(rows.float(), audio, RATE_HZ, calling))

    assert loss(calling, 0, -3, -3, -3) > loss(calling, 0, -9, -9, -9)
    with torch.no_grad():
        heard = teacher.frame_logits(teacher.features(audio))
        assert teachers.loss(heard, audio, RATE_HZ) == teachers.loss(heard, audio, RATE_HZ, torch.ones(2, 2))


def test_teachers_of_any_kind_speak_of_the_whole_and_those_with_rows_of_each_second(recipe: Recipe) -> None:
    ast = {"kind": "ast", "size": "tiny", "stride": 16, "mean": -4.3, "std": 4.6, "dropout": 0.0}
    kinds = [{"kind": "yamnet", "dropout": 0.0}, ast]
    wide = changed(recipe, example_s=3.0)
    yamnet, transformer = (build_network(changed(wide, model=kind).model, 3).eval() for kind in kinds)
    audio = noise(2, 3.0)
    whole, seconds = Teachers([yamnet, transformer], 3.0).hear(audio, RATE_HZ)
    assert whole.shape == (2, 3)
    assert seconds is not None
    assert seconds.shape == (2, 3, 3)
    torch.testing.assert_close(seconds, Teachers([yamnet], 3.0).hear(audio, RATE_HZ)[1])
    assert Teachers([transformer], 3.0).hear(audio, RATE_HZ)[1] is None


def test_what_was_said_is_remembered_and_not_of_other_sounds_or_other_teachers(recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = (build_network(recipe.model, 3).eval() for _ in range(2))
    memory = LogitCache(tmp_path / "said.db")
    audio = noise(2, recipe.example_s)
    for network in (one, other):
        for sound in (audio, 0.5 * audio):
            fresh = Teachers([network], recipe.example_s).hear(sound, RATE_HZ)
            for _ in range(2):
                torch.testing.assert_close(Teachers([network], recipe.example_s, memory).hear(sound, RATE_HZ), fresh)
    remembering = Teachers([one], recipe.example_s, memory)
    remembering.networks = []  # nobody is left to listen
    torch.testing.assert_close(remembering.hear(audio, RATE_HZ), Teachers([one], recipe.example_s).hear(audio, RATE_HZ))


def test_a_memory_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "said.db"
    damaged.write_bytes(b"no database at all, but as long as a header of one would be: " * 40)
    for path in (damaged, damaged / "below" / "said.db"):
        with pytest.raises(ModelError, match=r"said\.db"):
            LogitCache(path)


def test_a_second_is_the_mean_of_its_rows() -> None:
    rows = torch.arange(12.0).reshape(1, 12, 1)
    assert logits_per_second(rows, 3).flatten().tolist() == [1.5, 5.5, 9.5]


def test_teachers_are_of_the_fold_and_learnt_from_no_recording_that_is_tested(
    taught: Recipe, corpus: Corpus, folder: Path
) -> None:
    folds = cross_validation_folds(corpus, taught.folds, taught.split_seed)
    for fold in range(taught.folds):
        learnt = corpus.filter_recordings(lambda each, fold=fold: folds.get(each.name, fold) != fold)  # type: ignore[misc]
        teachers = load_teachers([folder], taught, corpus, learnt, fold)
        assert teachers
        own = load_final_weights(folder / f"state/fold-{fold}.pt")
        for name, value in teachers.networks[0].state_dict().items():
            torch.testing.assert_close(value, own[name])
        with pytest.raises(ModelError, match="other recordings"):
            load_teachers([folder], taught, corpus, corpus, fold)


def test_a_distilled_training_leaves_what_any_other_leaves_and_says_who_taught(
    taught: Recipe, corpus: Corpus, folder: Path, tmp_path: Path
) -> None:
    bench = RunContext(tmp_path / "student", BENCH)
    fit_fold(taught, corpus, 0, bench, lambda _: None, [folder])
    fit_final(taught, corpus, bench, lambda _: None, [folder])
    assert set(load_logits(bench.out / "fold-0.npz")) == set(load_logits(folder / "fold-0.npz"))
    assert load_checkpoint(bench.out).provenance.teachers == ("Three tones",)
    assert load_checkpoint(folder).provenance.teachers == ()


def test_other_teachers_make_another_training(taught: Recipe, corpus: Corpus, folder: Path) -> None:
    first = load_teachers([folder], taught, corpus, corpus, None)
    twice = load_teachers([folder, folder], taught, corpus, corpus, None)
    marks = {fingerprint(taught, corpus, digest) for digest in (None, first.digest, twice.digest)}
    assert len(marks) == 3
    assert len({mark.partition("-")[0] for mark in marks}) == 1


def test_teachers_that_do_not_fit_are_refused(taught: Recipe, recipe: Recipe, corpus: Corpus, folder: Path) -> None:
    for wrong, folders, reason in (
        (taught, [], "names no teacher"),
        (recipe, [folder], "no `distillation`"),
        (changed(taught, fold_seed=1), [folder], "other folds"),
    ):
        with pytest.raises(ConfigError, match=reason):
            load_teachers(folders, wrong, corpus, corpus, None)
    fewer = corpus.filter_recordings(lambda each: "AAA" not in each.codes)
    with pytest.raises(ConfigError, match="other species"):
        load_teachers([folder], taught, fewer, fewer, None)


def test_a_training_compared_with_itself_differs_by_nothing(root: Path, folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("twin"))
    done = CliRunner().invoke(main.app, ["compare", str(folder), str(folder.with_name("twin")), "--data", str(root)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    teacher, twin = (next(line for line in lines if line.startswith(f"| {name} |")) for name in ("teacher", "twin"))
    assert teacher.partition(" | ")[2] == twin.partition(" | ")[2]
    assert "`twin` against `teacher`, tuned macro-F1 on the same recordings: +0 points (+0 to +0)." in lines[-1]


def test_the_command_distils_a_fold(taught: Recipe, folder: Path, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "student.yaml"
    path.write_text(yaml.safe_dump(taught.model_dump(mode="json", exclude_defaults=True)))
    wanted = ["distill", "--recipe", str(path), "--teacher", str(folder), "--data", str(root), "--fold", "0"]
    done = CliRunner().invoke(main.app, [*wanted, "--out", str(tmp_path / "student"), "--accelerator", "cpu"])
    assert done.exit_code == 0, done.output
    assert load_logits(tmp_path / "student/fold-0.npz")


def test_weights_of_the_command_line_take_the_place_of_the_recipe_s(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "yamnet.yaml"
    yamnet = changed(recipe, model={"kind": "yamnet", "dropout": 0.0}, example_s=3.0)
    path.write_text(yaml.safe_dump(yamnet.model_dump(mode="json", exclude_defaults=True)))
    missing = tmp_path / "none.tflite"
    wanted = ["fit", "--recipe", str(path), "--pretrained", str(missing), "--data", str(root), "--fold", "0"]
    done = CliRunner().invoke(main.app, [*wanted, "--out", str(tmp_path / "out"), "--accelerator", "cpu"])
    assert isinstance(done.exception, ModelError)
    assert str(missing) in str(done.exception)
