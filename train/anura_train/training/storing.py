"""Makes the stored examples of a recipe: one part for each fold, in separate processes."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError
from anura_train.batches.build import open_source_audio
from anura_train.batches.loader import Batch
from anura_train.batches.mixer import Mixer
from anura_train.batches.stored import StoredExamples, StoredPart, read_part, write_part
from anura_train.checkpoints.final import load_checkpoint
from anura_train.data import Corpus, read_corpus
from anura_train.data.folds import cross_validation_folds
from anura_train.models import Net
from anura_train.models.birdnet.transfer import BirdnetTransfer
from anura_train.models.window import WindowNet
from anura_train.recipe import Recipe
from anura_train.training.narrowing import stem_of
from anura_train.worker_processes import worker_context

BATCH = 16


def make_parts(recipe: Recipe, data: Path, out: Path, teacher: Path, jobs: int) -> None:
    """Make the parts that OUT lacks. ConfigError for a teacher that is no head on BirdNET."""
    with ProcessPoolExecutor(jobs, worker_context(__name__)) as pool:
        list(pool.map(partial(_make_part, recipe, data, out, teacher), range(recipe.folds)))


def read_stored_examples(recipe: Recipe, corpus: Corpus, fold: int | None, out: Path, teacher: Net) -> StoredExamples:
    """Return the stored examples of all folds but one, with a teacher's logits of them."""
    numbers = [number for number in range(recipe.folds) if number != fold]
    parts = [_read(recipe, corpus, number, out, teacher) for number in numbers]
    if None in parts:
        raise ConfigError(f"{out} lacks stored examples of this recipe and data; run `anura-train distill` again")
    found = cast("Sequence[StoredPart]", parts)
    embeddings = torch.from_numpy(np.concatenate([part.embeddings for part in found]))
    with torch.inference_mode():
        logits = birdnet_head(teacher).logits(embeddings).numpy()
    return StoredExamples(found, logits, np.random.default_rng(recipe.seed))


def birdnet_head(teacher: Net) -> BirdnetTransfer:
    """Return the body of a teacher. ConfigError when it is no head on BirdNET."""
    if not isinstance(teacher, WindowNet) or not isinstance(teacher.body, BirdnetTransfer):
        raise ConfigError("stored examples need a teacher whose recipe is of the kind `birdnet`")
    return teacher.body


def _read(recipe: Recipe, corpus: Corpus, number: int, out: Path, teacher: Net) -> StoredPart | None:
    return read_part(_path(out, number), _identity(recipe, _recordings_of(recipe, corpus, number), teacher))


def _path(out: Path, number: int) -> Path:
    return out / "examples" / f"part-{number}"


def _recordings_of(recipe: Recipe, corpus: Corpus, number: int) -> Corpus:
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    return corpus.filter_recordings(lambda each: folds.get(each.name) == number)


def _identity(recipe: Recipe, part: Corpus, teacher: Net) -> str:
    """Hash everything that the examples depend on. The heads of a teacher do not matter."""
    digest = sha256(f"{recipe.seed} {recipe.augment} {recipe.example_s} {recipe.stored_examples}".encode())
    digest.update(repr([(each.name, each.path.stat().st_size, each.codes) for each in part.recordings]).encode())
    for name, value in birdnet_head(teacher).body.state_dict().items():
        if not name.startswith("head"):
            digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _make_part(recipe: Recipe, data: Path, out: Path, teacher_folder: Path, number: int) -> None:
    """Make a part in this process, if OUT lacks it."""
    torch.set_num_threads(1)
    corpus, teacher = read_corpus(data), load_checkpoint(teacher_folder).model
    own = _recordings_of(recipe, corpus, number)
    identity = _identity(recipe, own, teacher)
    if recipe.augment is None or not recipe.stored_examples or read_part(_path(out, number), identity):
        return
    rng = np.random.default_rng([recipe.seed, number])
    mixer = Mixer(open_source_audio(own, corpus.labels(), teacher.rate_hz), recipe.augment, recipe.example_s, rng)
    count = recipe.stored_examples // recipe.folds
    batches = (mixer.batch(start, min(BATCH, count - start)) for start in range(0, count, BATCH))
    computed = [_compute(cast(WindowNet, teacher), batch) for batch in batches]
    write_part(
        _path(out, number), identity, StoredPart(*(np.concatenate(each) for each in zip(*computed, strict=True)))
    )


@torch.inference_mode()
def _compute(teacher: WindowNet, batch: Batch) -> tuple[NDArray[np.float16], FloatArray, FloatArray]:
    """Return the images of the frozen layers, the embeddings and the targets of some examples."""
    spectrograms = teacher.features(torch.from_numpy(batch.waveforms))
    images = stem_of(teacher).images(spectrograms)
    # Depthwise convolutions are twice as fast on a CPU with channels_last memory.
    body = birdnet_head(teacher).body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return images.numpy().astype(np.float16), body.embeddings(spectrograms).numpy(), batch.targets
