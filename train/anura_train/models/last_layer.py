"""What the last layer of a network sees: its embedding of audio."""

import numpy as np
import torch
from torch import Tensor, nn

from anura_edge.audio import FloatArray
from anura_train.models import Net


@torch.no_grad()
def predict_with_embedding(model: Net, audio: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the calibrated logits (frames, labels) of audio (samples,), and its embedding (dimensions,).

    The embedding is the input of the last linear layer, averaged over all frames.
    """
    inputs: list[Tensor] = []
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach().flatten(0, -2)))
    try:
        logits = model.predict(torch.from_numpy(audio))
    finally:
        hook.remove()
    return np.asarray(logits.numpy(), np.float32), np.asarray(torch.cat(inputs).mean(0).numpy(), np.float32)
