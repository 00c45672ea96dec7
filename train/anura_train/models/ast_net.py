"""AST, the Audio Spectrogram Transformer (Gong, Chung and Glass 2021): attention over patches of a log-mel spectrogram.

It uses timm's transformer blocks. Its parameters have the names of DeiT (Touvron et al. 2021), as in AST's published
weights.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from anura_edge.errors import ModelError
from anura_train.models.weights import load_weights, read_weights

PATCH = 16
"""Size of a patch, in frames and in mel bands."""

TOKENS = 2
"""Number of tokens before the patches: DeiT's class token and distillation token. The output is their mean."""

WIDTHS_AND_HEADS = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}
"""Width and number of attention heads for each size of DeiT."""

DEPTH = 12

AUDIOSET_ROWS = {101 * 12: 12, 85 * 10: 10, 73 * 9: 9, 64 * 8: 8}
"""Number of patches in AST's published AudioSet weights -> rows of their grid: 128 bands and 1,024 frames at strides of
10 to 16."""


class PatchEmbedding(nn.Module):
    """One vector for each patch; patches start every `stride` frames and bands."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, M) to patches (B, rows * columns, width), low bands first, then in time."""
        patches: Tensor = self.proj(features.transpose(1, 2).unsqueeze(1))  # (B, width, rows, columns)
        return patches.flatten(2).transpose(1, 2)


class AstNet(nn.Module):
    """The Audio Spectrogram Transformer: maps the features of a window to one frame of logits."""

    def __init__(self, labels: int, frames: int, mels: int, size: str, stride: int, dropout: float) -> None:
        super().__init__()
        width, heads = WIDTHS_AND_HEADS[size]
        self.grid = ((mels - PATCH) // stride + 1, (frames - PATCH) // stride + 1)
        self.patch_embed = PatchEmbedding(width, stride)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS + self.grid[0] * self.grid[1], width))
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(DEPTH)))
        self.norm = norm(width)
        self.mlp_head = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, labels))
        for weight in (self.cls_token, self.dist_token, self.pos_embed):
            nn.init.trunc_normal_(weight, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, T, M)."""
        logits: Tensor = self.mlp_head(self.embeddings(features))
        return logits.unsqueeze(1)

    def embeddings(self, features: Tensor) -> Tensor:
        """Return the embeddings (B, width) of features (B, T, M): the input of the last layer."""
        patches = self.patch_embed(features)  # (B, patches, width)
        tokens = torch.cat([self.cls_token, self.dist_token], dim=1).expand(patches.shape[0], -1, -1)
        encoded: Tensor = self.norm(self.blocks(torch.cat([tokens, patches], dim=1) + self.pos_embed))
        return encoded[:, :TOKENS].mean(1)

    def load_pretrained(self, path: Path) -> None:
        """Load AST's published weights (AudioSet) or DeiT's (ImageNet) from a file, except those of the last layer.

        Position embeddings are resampled to this network's grid, and the weights of the three colour channels are
        summed. Raises ModelError when the file is for another size or another network.
        """
        weights = {name.removeprefix("v."): value for name, value in read_weights(path).items()}
        if "patch_embed.proj.weight" not in weights or "pos_embed" not in weights:
            raise ModelError(f"{path} contains no patch transformer; name a checkpoint of AST or DeiT")
        weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"].sum(1, keepdim=True)
        weights["pos_embed"] = self._positions(weights, path)
        load_weights(self, weights, path, untrained=("mlp_head.",))

    def _positions(self, weights: Mapping[str, Tensor], path: Path) -> Tensor:
        """Return the file's position embeddings on this network's grid."""
        tokens, patches = weights["pos_embed"][:, :TOKENS], weights["pos_embed"][:, TOKENS:]
        count = patches.shape[1]
        # DeiT's images are square.
        rows = math.isqrt(count) if math.isqrt(count) ** 2 == count else AUDIOSET_ROWS.get(count)
        if rows is None:
            raise ModelError(f"{path}: {count} positions are neither DeiT's nor AST's; name a published checkpoint")
        grid = patches.transpose(1, 2).reshape(1, -1, rows, count // rows)  # (1, width, rows, columns)
        grid = resample_positions(grid, *self.grid)
        return torch.cat([tokens, grid.flatten(2).transpose(1, 2)], dim=1)


def resample_positions(grid: Tensor, rows: int, columns: int) -> Tensor:
    """Return position embeddings (1, width, rows, columns) for a grid of another size.

    If the new grid has fewer columns, the central ones are used, as AST does: the distances between patches stay as in
    the pretraining. More columns, and another number of rows, are interpolated.
    """
    if columns <= grid.shape[3]:
        start = grid.shape[3] // 2 - columns // 2
        grid = grid[..., start : start + columns]
    if grid.shape[2:] != (rows, columns):
        grid = F.interpolate(grid, (rows, columns), mode="bilinear", align_corners=False)
    return grid
