"""The training loop: from examples to weights, on a CPU, a GPU or several."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from timm.utils import ModelEmaV3

from anura_edge.errors import ConfigError
from anura_train.batches.build import TrainingData
from anura_train.batches.loader import generate_batches
from anura_train.batches.windows import WindowExamples
from anura_train.checkpoints.resume import CheckpointFile, TrainState
from anura_train.evaluation.metrics import micro_f1
from anura_train.models import Net, build_network, load_pretrained
from anura_train.recipe import Recipe
from anura_train.training.distillation import Teachers, teacher_loss
from anura_train.training.features import mask_features, masked_features
from anura_train.training.losses import make_loss
from anura_train.training.optimizer import make_optimizer, make_schedule
from anura_train.training.qat import enable_qat

CHECK_BATCH = 32

EMA_WARMUP_STEPS = 10
"""The decay of the moving average starts low and grows as step / (step + EMA_WARMUP_STEPS); otherwise the average would
contain the random initial weights for a long time (Tarvainen, Valpola 2017)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Losses and metrics of one training step."""

    number: int
    """From 1."""
    of: int
    loss: float
    learning_rate: float
    micro_f1: float | None = None
    """At the end of an epoch, where the recipe stops early: at 0.5, on the check windows."""


OnStep = Callable[[Step], None]


def fit(
    recipe: Recipe,
    data: TrainingData,
    on_step: OnStep,
    checkpoint: CheckpointFile | None = None,
    fabric: Fabric | None = None,
    workers: int = 0,
    teachers: Teachers | None = None,
    initialise: Callable[[Net], None] | None = None,
) -> Net:
    """Train a network. The same recipe, data and teachers on the same machine give the same weights.

    With a checkpoint, a training that was killed resumes where it was last saved and ends with the same weights.
    `workers` threads make examples ahead; the examples are the same as without. `initialise` sets the first weights.
    Raises ConfigError for a recipe that does not fit the data, ModelError for pretrained weights that do not fit the
    recipe.
    """
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    if recipe.batch_size % (fabric.world_size * recipe.sequence_length):
        raise ConfigError(
            f"a batch of {recipe.batch_size} cannot be split over {fabric.world_size} devices; change `batch_size`"
        )
    torch.manual_seed(recipe.seed)
    model = build_network(recipe.model, len(data.labels)).train()
    load_pretrained(model, recipe.model)
    if initialise:
        initialise(model)
    fabric.to_device(model)
    epoch_steps = math.ceil(data.examples.epoch_size / recipe.batch_size)
    steps = recipe.steps or (recipe.epochs or 0) * epoch_steps
    ema = ModelEmaV3(model, recipe.ema_decay, use_warmup=True, warmup_gamma=EMA_WARMUP_STEPS, warmup_power=1.0)
    optimizer = make_optimizer(model, recipe)
    schedule = make_schedule(optimizer, recipe, steps)
    rng = data.examples.rng
    state = TrainState(model, ema, optimizer, schedule, rng, dict(rng.bit_generator.state))
    if checkpoint:
        checkpoint.restore(state)
    learner, optimizer = fabric.setup(model, optimizer)
    learner.mark_forward_method("frame_logits")
    loss_of = make_loss(recipe.loss, fabric.to_device(torch.from_numpy(data.examples.prevalence)))
    # Each device makes the whole batch and takes its share, so that several devices have the same examples as one.
    share = slice(fabric.global_rank, None, fabric.world_size)
    for teacher in teachers.networks if teachers else ():
        fabric.to_device(teacher)
    exact_steps = round((1 - recipe.qat_share) * steps)

    remaining = range(state.step + 1, 1 if state.finished else steps + 1)
    for batch, rng_state in generate_batches(data.examples, remaining, recipe.batch_size, workers):
        if state.step >= exact_steps:
            enable_qat(model)
        state.step, state.rng_state = state.step + 1, rng_state
        waveform, target = (  # (B, N), (B, labels)
            fabric.to_device(torch.from_numpy(each[share])) for each in (batch.waveforms, batch.targets)
        )
        cells, call_mask = (  # (B, cells, labels), (B, moments)
            None if each is None else fabric.to_device(torch.from_numpy(each[share]))
            for each in (batch.cells, batch.call_mask)
        )
        stored_features, stored_logits = (
            None if each is None else fabric.to_device(torch.from_numpy(each[share]))
            for each in (batch.features, batch.teacher_logits)
        )
        with torch.no_grad():
            if stored_features is None:
                features = masked_features(model, waveform, recipe)  # (B / L, L T, M)
            else:
                features = mask_features(stored_features, recipe.augment)
        with fabric.autocast():
            logits = learner.frame_logits(features)  # (B / L, L frames, labels)
        logits = logits.reshape(len(waveform), -1, logits.shape[2]).float()  # (B, frames, labels)
        loss = loss_of(logits, target, cells)
        if teachers and recipe.distillation:
            if stored_logits is None or call_mask is None:
                taught = teachers.loss(logits, waveform, model.rate_hz, call_mask)
            else:
                taught = teacher_loss(logits, stored_logits, None, call_mask)
            loss = recipe.distillation.label_weight * loss + (1 - recipe.distillation.label_weight) * taught
        optimizer.zero_grad()
        fabric.backward(loss)
        if recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        learning_rate = float(state.schedule.get_last_lr()[0])
        optimizer.step()
        state.schedule.step()
        state.ema.update(model, step=state.step + 1)  # counts from 2
        checked = None
        if data.validation and recipe.early_stopping and state.step % epoch_steps == 0:
            checked = check_micro_f1(state.ema.module, data.validation)
            state.update_best(checked, recipe.early_stopping.patience)
        on_step(Step(state.step, steps, loss.item(), learning_rate, checked))
        if checkpoint and fabric.is_global_zero:
            checkpoint.save_if_due(state)
        if state.finished:
            break
    if checkpoint and fabric.is_global_zero:
        checkpoint.save_result(state)
    return state.result()


@torch.no_grad()
def check_micro_f1(model: Net, windows: WindowExamples) -> float:
    """Return micro-F1 at 0.5 over all windows together; 0 where no window has a label."""
    device = next(model.parameters()).device
    detected = []
    for start in range(0, windows.epoch_size, CHECK_BATCH):
        waveforms = [
            windows.unaugmented(index)[0] for index in range(start, min(start + CHECK_BATCH, windows.epoch_size))
        ]
        features = model.features(torch.stack([torch.from_numpy(each) for each in waveforms]).to(device))
        detected.append(model.frame_logits(features).amax(1) >= 0)  # a logit of 0 is a probability of 0.5
    decisions, truth = torch.cat(detected).cpu().numpy(), windows.targets > 0
    return float(micro_f1(np.ones((1, len(truth))), decisions, truth)[0, 0]) if truth.any() else 0.0
