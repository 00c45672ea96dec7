"""Plates of the space that a model puts recordings in."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import Voronoi
from sklearn.decomposition import PCA
from torch import Tensor, nn

from anura_edge.audio import FloatArray
from anura_train.data import Corpus, Recording, load_audio
from anura_train.models import Net
from anura_train.report.plot import GREY, Plot, new_figure, style_axes, to_plot

MOST_RECORDINGS = 600
NEIGHBOURS = 15
FEWEST_FOR_UMAP = NEIGHBOURS + 1
TINTS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Okabe and Ito (2008). Species are told by their codes; tints only part neighbours."""
SHAPES = "os^vDP*X<>"

Points = NDArray[np.float64]
"""Positions, (recordings, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Recordings in a plane."""

    plane: Points
    species: tuple[str, ...]
    """The first species of each."""
    method: str
    """How the plane was made."""


def embedding_plots(model: Net, corpus: Corpus, labels: tuple[str, ...]) -> Iterator[Plot]:
    """Yield the map of species and the map of recordings; nothing where there are too few."""
    recordings = [each for each in corpus.frogs if set(each.codes) & set(labels)]
    if len(recordings) > MOST_RECORDINGS:
        chosen = np.random.default_rng(0).choice(len(recordings), MOST_RECORDINGS, replace=False)
        recordings = [recordings[each] for each in sorted(chosen)]
    species = tuple(next(code for code in each.codes if code in labels) for each in recordings)
    if len(recordings) < 3:
        return
    plane, method = project(np.stack([embed(model, each) for each in recordings]))
    atlas = Embedding(plane, species, method)
    yield _voronoi(atlas)
    yield _scatter(atlas)


@torch.no_grad()
def embed(model: Net, recording: Recording) -> FloatArray:
    """Return what the model's last layer sees of a recording, (dimensions,), its mean over all rows."""
    seen: list[Tensor] = []
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().flatten(0, -2)))
    try:
        model.predict(torch.from_numpy(load_audio(recording, model.rate_hz)))
    finally:
        hook.remove()
    return np.asarray(torch.cat(seen).mean(0).numpy(), np.float32)


def project(vectors: FloatArray) -> tuple[Points, str]:
    """Bring vectors (recordings, dimensions) into a plane; return it and how.

    UMAP (McInnes, Healy, Melville 2018) needs some neighbours; fewer recordings are laid out by their main axes.
    """
    spread = vectors.std(0)
    scaled = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)
    if len(vectors) < FEWEST_FOR_UMAP:
        return np.asarray(PCA(2, random_state=0).fit_transform(scaled), np.float64), "principal components"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that it could use and does not need
        from umap import UMAP

        plane = UMAP(n_neighbors=NEIGHBOURS, random_state=0, n_jobs=1).fit_transform(scaled)
    return np.asarray(plane, np.float64), "UMAP"


def centres(atlas: Embedding) -> dict[str, FloatArray]:
    """Return the middle of each species' recordings, (2,)."""
    owner = np.array(atlas.species)
    return {code: atlas.plane[owner == code].mean(0) for code in sorted(set(atlas.species))}


def cells(points: Points, low: FloatArray, high: FloatArray) -> list[Points]:
    """Return the Voronoi cell of each point (points, 2): the corners of all that is nearer to it than to the others.

    Four points far away close the outer cells, well beyond `low` and `high`.
    """
    far = 10 * float(np.max(high - low)) + 1.0
    middle = (low + high) / 2
    around = middle + far * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    found = Voronoi(np.vstack([points, around]))
    return [found.vertices[found.regions[found.point_region[index]]] for index in range(len(points))]


def _voronoi(atlas: Embedding) -> Plot:
    figure = new_figure(6.4)
    axes = figure.add_subplot()
    where = centres(atlas)
    margin = 0.08 * np.ptp(atlas.plane, axis=0) + 1e-6
    low, high = atlas.plane.min(0) - margin, atlas.plane.max(0) + margin
    for number, (cell, (code, centre)) in enumerate(
        zip(cells(np.array(list(where.values())), low, high), where.items(), strict=True)
    ):
        axes.fill(*cell.T, color=TINTS[number % len(TINTS)], alpha=0.28, edgecolor="white", linewidth=1.5)
        axes.text(centre[0], centre[1], code, ha="center", va="center", fontsize=8, weight="bold", zorder=3)
    axes.plot(*atlas.plane.T, ".", color=GREY, markersize=4, alpha=0.6)
    _bare(figure, low, high)
    return to_plot(
        "embedding-voronoi",
        "Map of species",
        f"The space of the model's last layer in a plane ({atlas.method}). A cell is all that is nearer to the middle "
        "of one species' recordings than to any other's; dots are recordings. The model shown is the final one, which "
        "has learnt these recordings: it tells what it learnt, not how well.",
        figure,
    )


def _scatter(atlas: Embedding) -> Plot:
    figure = new_figure(6.4)
    axes = figure.add_subplot()
    owner = np.array(atlas.species)
    for number, code in enumerate(sorted(set(atlas.species))):
        tint, shape = TINTS[number % len(TINTS)], SHAPES[(number // len(TINTS) + number) % len(SHAPES)]
        axes.plot(
            *atlas.plane[owner == code].T, shape, color=tint, markeredgecolor="black", markeredgewidth=0.5, label=code
        )
    margin = 0.08 * np.ptp(atlas.plane, axis=0) + 1e-6
    _bare(figure, atlas.plane.min(0) - margin, atlas.plane.max(0) + margin)
    figure.legend(loc="outside right center", fontsize=7, frameon=False)
    return to_plot(
        "embedding",
        f"{atlas.method} of recordings",
        "The same plane, each recording with the colour and shape of its (first) species. Distances between far groups "
        "mean nothing.",
        figure,
    )


def _bare(figure: Figure, low: FloatArray, high: FloatArray) -> None:
    axes = figure.axes[0]
    style_axes(axes)
    axes.grid(visible=False)
    axes.set(xticks=(), yticks=(), xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.spines[["left", "bottom"]].set_visible(False)
