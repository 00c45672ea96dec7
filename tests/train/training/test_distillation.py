"""A student learns the scores of its teachers. No teacher was trained on recordings that test the student."""

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
from anura_train.checkpoints.array_cache import ArrayCache
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
from anura_train.training.loop import fit
from anura_train.training.teachers import load_teachers

CPU = Fabric(accelerator="cpu", devices=1)


def changed(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | changes)


@pytest.fixture
def student(recipe: Recipe) -> Recipe:
    """A recipe that learns from its teachers only."""
    return changed(recipe, id="student", seed=8, fold_seed=recipe.seed, steps=2, distillation={"label_weight": 0.0})


def noise(examples: int, seconds: float) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(0, 0.1, (examples, round(seconds * RATE_HZ))).astype(np.float32))


def test_a_student_learns_the_scores_of_its_teacher(recipe: Recipe, corpus: Corpus, tone_model: Net) -> None:
    taught = changed(recipe, seed=8, fold_seed=3, distillation={"label_weight": 0.0})
    data = prepare_training_data(taught, corpus, corpus.labels())
    teachers = Teachers([tone_model], taught.example_s)
    trained_model = fit(taught, data, lambda _: None, teachers=teachers)
    untrained = build_network(taught.model, len(corpus.labels())).eval()
    waveforms = torch.from_numpy(data.examples.batch(1, 32).waveforms)

    def loss(net: Net) -> float:
        with torch.no_grad():
            return float(teachers.loss(net.frame_logits(net.features(waveforms)), waveforms, net.rate_hz))

    assert loss(tone_model) < loss(trained_model) < 0.7 * loss(untrained)


def test_the_loss_is_lowest_at_the_scores_of_the_teachers(recipe: Recipe) -> None:
    torch.manual_seed(0)
    teacher = build_network(recipe.model, 3).eval()
    audio = noise(4, recipe.example_s)
    teachers = Teachers([teacher], recipe.example_s)
    with torch.no_grad():
        logits = teacher.frame_logits(teacher.features(audio))
        best = teachers.loss(logits, audio, RATE_HZ)
        for shift in (-1.0, 1.0):
            assert teachers.loss(logits + shift, audio, RATE_HZ) > best


def test_the_target_is_0_where_no_frog_is_in_the_mixture(recipe: Recipe) -> None:
    torch.manual_seed(0)
    teacher = build_network(recipe.model, 3).eval()
    audio = noise(2, recipe.example_s)
    teachers = Teachers([teacher], recipe.example_s)
    calling = torch.tensor([[1.0, 0.0], [0.0, 0.0]])

    def loss(calling: Tensor, *level: float) -> float:
        """Return the loss of a student with these logits in each second of each example."""
        logits = torch.tensor(level).reshape(2, 2).repeat_interleave(20, dim=1)[:, :, None].expand(2, 40, 3)
        return float(teachers.loss(logits.float(), audio, RATE_HZ, calling))

    assert loss(calling, 0, -3, -3, -3) > loss(calling, 0, -9, -9, -9)
    with torch.no_grad():
        logits = teacher.frame_logits(teacher.features(audio))
        assert teachers.loss(logits, audio, RATE_HZ) == teachers.loss(logits, audio, RATE_HZ, torch.ones(2, 2))


def test_only_teachers_with_enough_frames_score_each_second(recipe: Recipe) -> None:
    ast = {"kind": "ast", "size": "tiny", "stride": 16, "mean": -4.3, "std": 4.6, "dropout": 0.0}
    kinds = [{"kind": "yamnet", "dropout": 0.0}, ast]
    wide = changed(recipe, example_s=3.0)
    yamnet, transformer = (build_network(changed(wide, model=kind).model, 3).eval() for kind in kinds)
    audio = noise(2, 3.0)
    whole, seconds = Teachers([yamnet, transformer], 3.0).predict(audio, RATE_HZ)
    assert whole.shape == (2, 3)
    assert seconds is not None
    assert seconds.shape == (2, 3, 3)
    torch.testing.assert_close(seconds, Teachers([yamnet], 3.0).predict(audio, RATE_HZ)[1])
    assert Teachers([transformer], 3.0).predict(audio, RATE_HZ)[1] is None


def test_logits_are_cached_by_teacher_and_audio(recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = (build_network(recipe.model, 3).eval() for _ in range(2))
    cache = ArrayCache(tmp_path / "cache.db")
    audio = noise(2, recipe.example_s)
    for network in (one, other):
        for sound in (audio, 0.5 * audio):
            fresh = Teachers([network], recipe.example_s).predict(sound, RATE_HZ)
            for _ in range(2):
                torch.testing.assert_close(Teachers([network], recipe.example_s, cache).predict(sound, RATE_HZ), fresh)
    cached = Teachers([one], recipe.example_s, cache)
    cached.networks = []  # no network can compute logits now
    torch.testing.assert_close(
        cached.predict(audio, RATE_HZ), Teachers([one], recipe.example_s).predict(audio, RATE_HZ)
    )


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "cache.db"
    damaged.write_bytes(b"not a database, but longer than the header of one: " * 40)
    for path in (damaged, damaged / "below" / "cache.db"):
        with pytest.raises(ModelError, match=r"cache\.db"):
            ArrayCache(path)


def test_logits_of_a_second_are_the_mean_of_its_frames() -> None:
    logits = torch.arange(12.0).reshape(1, 12, 1)
    assert logits_per_second(logits, 3).flatten().tolist() == [1.5, 5.5, 9.5]


def test_teachers_were_not_trained_on_tests_of_fold(student: Recipe, corpus: Corpus, trained: Path) -> None:
    folds = cross_validation_folds(corpus, student.folds, student.split_seed)
    for fold in range(student.folds):
        training_corpus = corpus.filter_recordings(lambda each, fold=fold: folds.get(each.name, fold) != fold)  # type: ignore[misc]
        teachers = load_teachers([trained], student, corpus, training_corpus, fold)
        assert teachers
        own = load_final_weights(trained / f"state/fold-{fold}.pt")
        for name, value in teachers.networks[0].state_dict().items():
            torch.testing.assert_close(value, own[name])
        with pytest.raises(ModelError, match="other recordings"):
            load_teachers([trained], student, corpus, corpus, fold)


def test_a_distilled_training_writes_all_files_and_names_teachers(
    student: Recipe, corpus: Corpus, trained: Path, tmp_path: Path
) -> None:
    context = RunContext(tmp_path / "student", CPU)
    fit_fold(student, corpus, 0, context, lambda _: None, [trained])
    fit_final(student, corpus, context, lambda _: None, [trained])
    assert set(load_logits(context.out / "fold-0.npz")) == set(load_logits(trained / "fold-0.npz"))
    assert load_checkpoint(context.out).provenance.teachers == ("Three tones",)
    assert load_checkpoint(trained).provenance.teachers == ()


def test_the_fingerprint_depends_on_the_teachers(student: Recipe, corpus: Corpus, trained: Path) -> None:
    first = load_teachers([trained], student, corpus, corpus, None)
    twice = load_teachers([trained, trained], student, corpus, corpus, None)
    fingerprints = {fingerprint(student, corpus, digest) for digest in (None, first.digest, twice.digest)}
    assert len(fingerprints) == 3
    assert len({each.partition("-")[0] for each in fingerprints}) == 1


def test_teachers_that_do_not_fit_are_refused(student: Recipe, recipe: Recipe, corpus: Corpus, trained: Path) -> None:
    for wrong, folders, reason in (
        (student, [], "names no teacher"),
        (recipe, [trained], "no `distillation`"),
        (changed(student, fold_seed=1), [trained], "other folds"),
    ):
        with pytest.raises(ConfigError, match=reason):
            load_teachers(folders, wrong, corpus, corpus, None)
    fewer = corpus.filter_recordings(lambda each: "AAA" not in each.codes)
    with pytest.raises(ConfigError, match="other species"):
        load_teachers([trained], student, fewer, fewer, None)


def test_two_equal_trainings_do_not_differ(root: Path, trained: Path) -> None:
    twin = shutil.copytree(trained, trained.with_name("twin"))
    done = CliRunner().invoke(main.app, ["compare", str(trained), str(twin), "--data", str(root)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    first, second = (next(line for line in lines if line.startswith(f"| {name} |")) for name in ("trained", "twin"))
    assert first.partition(" | ")[2] == second.partition(" | ")[2]
    assert "`twin` against `trained`, tuned macro-F1 on the same recordings: +0 points (+0 to +0)." in lines[-1]


@pytest.mark.usefixtures("train_in_process")
def test_the_command_distils_a_fold(student: Recipe, trained: Path, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "student.yaml"
    path.write_text(yaml.safe_dump(student.model_dump(mode="json", exclude_defaults=True)))
    wanted = ["distill", "--recipe", str(path), "--teacher", str(trained), "--data", str(root), "--fold", "0"]
    done = CliRunner().invoke(main.app, [*wanted, "--out", str(tmp_path / "student"), "--accelerator", "cpu"])
    assert done.exit_code == 0, done.output
    assert load_logits(tmp_path / "student/fold-0.npz")


@pytest.mark.usefixtures("train_in_process")
def test_weights_of_the_command_line_replace_those_of_the_recipe(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "yamnet.yaml"
    yamnet = changed(recipe, model={"kind": "yamnet", "dropout": 0.0}, example_s=3.0)
    path.write_text(yaml.safe_dump(yamnet.model_dump(mode="json", exclude_defaults=True)))
    missing = tmp_path / "none.tflite"
    wanted = ["fit", "--recipe", str(path), "--pretrained", str(missing), "--data", str(root), "--fold", "0"]
    done = CliRunner().invoke(main.app, [*wanted, "--out", str(tmp_path / "out"), "--accelerator", "cpu"])
    assert isinstance(done.exception, ModelError)
    assert str(missing) in str(done.exception)
