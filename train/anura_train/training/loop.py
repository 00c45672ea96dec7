"""Training: from examples to weights, in one loop, on a CPU, a GPU or several."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torchaudio.functional import mask_along_axis_iid

from anura_edge.errors import ConfigError
from anura_train.batches.build import TrainingData
from anura_train.batches.loader import generate_batches
from anura_train.batches.windows import WindowExamples
from anura_train.checkpoints.resume import CheckpointFile, TrainState
from anura_train.evaluation.metrics import micro_f1
from anura_train.models import Net, build_network, load_pretrained
from anura_train.recipe import AugmentSettings, Recipe, WindowSettings
from anura_train.training.distillation import Teachers
from anura_train.training.losses import make_loss
from anura_train.training.qat import enable_qat

CHECK_BATCH = 32


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    number: int
    """From 1."""
    of: int
    loss: float
    learning_rate: float
    micro_f1: float | None = None
    """At the end of an epoch, where a recipe stops early: at 0.5, on what it checks."""


OnStep = Callable[[Step], None]


def fit(
    recipe: Recipe,
    lesson: TrainingData,
    on_step: OnStep,
    keeper: CheckpointFile | None = None,
    fabric: Fabric | None = None,
    workers: int = 0,
    teachers: Teachers | None = None,
) -> Net:
    """Train a network; the same recipe, lesson and teachers on the same machine give the same weights.

    With a keeper, a training that was killed goes on from where it was last kept, and ends in the same weights as if it
    had not been. `workers` threads make examples ahead, the same ones as without.
    Raises ConfigError for a recipe that does not fit the lesson, ModelError for pretrained weights that do not fit the
    recipe.
    """
    fabric = fabric or Fabric(accelerator="cpu", devices=1)
    if recipe.batch_size % (fabric.world_size * recipe.sequence_length):
        raise ConfigError(
            f"a batch of {recipe.batch_size} cannot be dealt to {fabric.world_size} devices; change `batch_size`"
        )
    torch.manual_seed(recipe.seed)
    model = build_network(recipe.model, len(lesson.labels)).train()
    load_pretrained(model, recipe.model)
    fabric.to_device(model)
    epoch_steps = math.ceil(lesson.examples.epoch_size / recipe.batch_size)
    steps = recipe.steps or (recipe.epochs or 0) * epoch_steps
    optimizer = make_optimizer(model, recipe)
    average, schedule = copy.deepcopy(model).eval(), make_schedule(optimizer, recipe, steps)
    rng = lesson.examples.rng
    training = TrainState(model, average, optimizer, schedule, rng, dict(rng.bit_generator.state))
    if keeper:
        keeper.restore(training)
    learner, optimizer = fabric.setup(model, optimizer)
    learner.mark_forward_method("frame_logits")
    loss_of = make_loss(recipe.loss, fabric.to_device(torch.from_numpy(lesson.examples.prevalence)))
    # Every device makes the whole batch and takes its part, so that several learn from the same examples as one.
    own = slice(fabric.global_rank, None, fabric.world_size)
    for teacher in teachers.networks if teachers else ():
        fabric.to_device(teacher)
    exact_steps = round((1 - recipe.qat_share) * steps)

    left = range(training.step + 1, 1 if training.finished else steps + 1)
    for batch, chance in generate_batches(lesson.examples, left, recipe.batch_size, workers):
        if training.step >= exact_steps:
            enable_qat(model)
        training.step, training.chance = training.step + 1, chance
        waveform, target = (fabric.to_device(torch.from_numpy(each[own])) for each in (batch.waveforms, batch.targets))
        cells, calling = (
            None if each is None else fabric.to_device(torch.from_numpy(each[own]))
            for each in (batch.cells, batch.call_mask)
        )
        with torch.no_grad():
            features = features_of(model, waveform, recipe)  # (B / joined, joined T, M)
        with fabric.autocast():
            logits = learner.frame_logits(features)  # (B / joined, joined rows, labels)
        logits = logits.reshape(len(waveform), -1, logits.shape[2])
        loss = loss_of(logits.float(), target, cells)
        if teachers and recipe.distillation:
            taught = teachers.loss(logits.float(), waveform, model.rate_hz, calling)
            loss = recipe.distillation.label_weight * loss + (1 - recipe.distillation.label_weight) * taught
        optimizer.zero_grad()
        fabric.backward(loss)
        if recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        rate = float(training.schedule.get_last_lr()[0])
        optimizer.step()
        training.schedule.step()
        # A young average would hold the random beginning: its decay grows with the steps (Tarvainen, Valpola 2017).
        update_ema(training.average, model, min(recipe.ema_decay, training.step / (training.step + 10)))
        checked = None
        if lesson.validation and recipe.early_stopping and training.step % epoch_steps == 0:
            checked = check_micro_f1(training.average, lesson.validation)
            training.judge(checked, recipe.early_stopping.patience)
        on_step(Step(training.step, steps, loss.item(), rate, checked))
        if keeper and fabric.is_global_zero:
            keeper.keep(training)
        if training.finished:
            break
    if keeper and fabric.is_global_zero:
        keeper.finish(training)
    return training.result()


def make_optimizer(model: Net, recipe: Recipe) -> Optimizer:
    """Return the optimizer, with parameters that the recipe's `layers` name in groups of their own."""
    kind = AdamW if recipe.optimizer == "adamw" else Adam
    left = dict(model.named_parameters())
    groups = []
    for layer in recipe.parameter_groups:
        named = [left.pop(name) for name in list(left) if name.startswith(layer.prefix)]
        if not named:
            raise ConfigError(
                f"recipe {recipe.id}: parameter_groups: no parameter begins with {layer.prefix!r}; see the model"
            )
        groups.append({"params": named} | layer.model_dump(exclude={"prefix"}, exclude_none=True))
        if "learning_rate" in groups[-1]:
            groups[-1]["lr"] = groups[-1].pop("learning_rate")
    return kind([{"params": [*left.values()]}, *groups], recipe.learning_rate, weight_decay=recipe.weight_decay)


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """Return the schedule of the learning rates, which are highest as the recipe says."""
    if recipe.schedule == "one_cycle":
        return OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=steps + 1)
    if recipe.schedule == "cosine":
        return LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    return LambdaLR(optimizer, lambda _: 1.0)


def features_of(model: Net, waveform: Tensor, recipe: Recipe) -> Tensor:
    """Return the masked features of examples (B, N), `joined` of which, in whole rows, follow one another."""
    if recipe.sequence_length > 1:
        waveform = F.pad(waveform, (0, -waveform.shape[1] % model.hop_samples))
    features = model.features(waveform.reshape(len(waveform) // recipe.sequence_length, -1))
    single = features.reshape(len(waveform), -1, features.shape[2])
    return mask(single, recipe.augment or recipe.windows).reshape(features.shape)


def mask(features: Tensor, settings: AugmentSettings | WindowSettings | None) -> Tensor:
    """Blank one stretch of frames and one of bands in examples (SpecAugment); features are (B, T, M)."""
    if not settings:
        return features
    masked: Tensor = features.unsqueeze(1)
    for widest, axis in ((settings.mask_frames, 2), (settings.mask_mels, 3)):
        if widest:
            masked = mask_along_axis_iid(masked, widest, 0.0, axis)
    masked = masked.squeeze(1)
    if isinstance(settings, WindowSettings) and settings.mask_share < 1:
        chosen = torch.rand(len(features), 1, 1, device=features.device) < settings.mask_share
        return torch.where(chosen, masked, features)
    return masked


@torch.no_grad()
def update_ema(average: Net, model: Net, decay: float) -> None:
    """Move the averaged weights, and the statistics of batch normalisation, a little towards the model's."""
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.no_grad()
def check_micro_f1(model: Net, windows: WindowExamples) -> float:
    """Return micro-F1 at 0.5 over all windows at once."""
    device = next(model.parameters()).device
    heard = []
    for start in range(0, windows.epoch_size, CHECK_BATCH):
        plain = [windows.unaugmented(index)[0] for index in range(start, min(start + CHECK_BATCH, windows.epoch_size))]
        features = model.features(torch.stack([torch.from_numpy(each) for each in plain]).to(device))
        heard.append(model.frame_logits(features).amax(1) >= 0)  # a logit of 0 is a probability of 0.5
    return micro_f1(torch.cat(heard).cpu().numpy(), windows.targets > 0)
