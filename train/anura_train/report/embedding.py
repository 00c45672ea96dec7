"""Plots of the embedding of recordings: the input of the last layer of a model."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import Voronoi
from sklearn.decomposition import PCA

from anura_edge.audio import FloatArray
from anura_train.data import Corpus, Recording, load_audio
from anura_train.models import Net
from anura_train.models.last_layer import predict_with_embedding
from anura_train.report.plot import GREY, Plot, new_figure, style_axes, to_plot

MAX_RECORDINGS = 600
NEIGHBOURS = 15
MIN_FOR_UMAP = NEIGHBOURS + 1
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""Okabe and Ito (2008). Codes identify the species; colours only separate neighbours."""
SHAPES = "os^vDP*X<>"

Points = NDArray[np.float64]
"""Positions, (recordings, 2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Recordings as points in a plane."""

    points: Points
    species: tuple[str, ...]
    """The first species of each recording."""
    method: str
    """Name of the projection."""


def embedding_plots(model: Net, corpus: Corpus, labels: tuple[str, ...]) -> Iterator[Plot]:
    """Yield the map of species and the map of recordings; nothing for fewer than three recordings."""
    recordings = [each for each in corpus.frogs if set(each.codes) & set(labels)]
    if len(recordings) > MAX_RECORDINGS:
        chosen = np.random.default_rng(0).choice(len(recordings), MAX_RECORDINGS, replace=False)
        recordings = [recordings[each] for each in sorted(chosen)]
    species = tuple(next(code for code in each.codes if code in labels) for each in recordings)
    if len(recordings) < 3:
        return
    points, method = project(np.stack([_embed(model, each) for each in recordings]))
    embedding = Embedding(points, species, method)
    yield _voronoi(embedding)
    yield _scatter(embedding)


def project(vectors: FloatArray) -> tuple[Points, str]:
    """Project vectors (recordings, dimensions) to a plane; return the points and the name of the method.

    UMAP (McInnes, Healy, Melville 2018) needs several neighbours. Fewer recordings are projected to their principal
    components.
    """
    spread = vectors.std(0)
    scaled = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)
    if len(vectors) < MIN_FOR_UMAP:
        return np.asarray(PCA(2, random_state=0).fit_transform(scaled), np.float64), "principal components"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about optional libraries
        from umap import UMAP

        plane = UMAP(n_neighbors=NEIGHBOURS, random_state=0, n_jobs=1).fit_transform(scaled)
    return np.asarray(plane, np.float64), "UMAP"


def centres(embedding: Embedding) -> dict[str, FloatArray]:
    """Return the centre of each species' recordings, (2,)."""
    owner = np.array(embedding.species)
    return {code: embedding.points[owner == code].mean(0) for code in sorted(set(embedding.species))}


def cells(points: Points, low: FloatArray, high: FloatArray) -> list[Points]:
    """Return the corners of the Voronoi cell of each point (points, 2), the area that is nearest to it.

    Four points far outside `low` and `high` close the outer cells.
    """
    far = 10 * float(np.max(high - low)) + 1.0
    centre = (low + high) / 2
    corners = centre + far * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    found = Voronoi(np.vstack([points, corners]))
    return [found.vertices[found.regions[found.point_region[index]]] for index in range(len(points))]


def _embed(model: Net, recording: Recording) -> FloatArray:
    return predict_with_embedding(model, load_audio(recording, model.rate_hz))[1]


def _voronoi(embedding: Embedding) -> Plot:
    figure = new_figure(6.4)
    axes = figure.add_subplot()
    positions = centres(embedding)
    margin = 0.08 * np.ptp(embedding.points, axis=0) + 1e-6
    low, high = embedding.points.min(0) - margin, embedding.points.max(0) + margin
    for number, (cell, (code, centre)) in enumerate(
        zip(cells(np.array(list(positions.values())), low, high), positions.items(), strict=True)
    ):
        axes.fill(*cell.T, color=COLOURS[number % len(COLOURS)], alpha=0.28, edgecolor="white", linewidth=1.5)
        axes.text(centre[0], centre[1], code, ha="center", va="center", fontsize=8, weight="bold", zorder=3)
    axes.plot(*embedding.points.T, ".", color=GREY, markersize=4, alpha=0.6)
    _remove_axes(figure, low, high)
    return to_plot(
        "embedding-voronoi",
        "Map of species",
        f"The input of the model's last layer, projected to a plane ({embedding.method}). A cell is the area that is "
        "nearest to the centre of one species' recordings; dots are recordings. The model is the final one, which has "
        "learnt these recordings: the map shows what it learnt, not how well it detects.",
        figure,
    )


def _scatter(embedding: Embedding) -> Plot:
    figure = new_figure(6.4)
    axes = figure.add_subplot()
    owner = np.array(embedding.species)
    for number, code in enumerate(sorted(set(embedding.species))):
        colour, shape = COLOURS[number % len(COLOURS)], SHAPES[(number // len(COLOURS) + number) % len(SHAPES)]
        axes.plot(
            *embedding.points[owner == code].T,
            shape,
            color=colour,
            markeredgecolor="black",
            markeredgewidth=0.5,
            label=code,
        )
    margin = 0.08 * np.ptp(embedding.points, axis=0) + 1e-6
    _remove_axes(figure, embedding.points.min(0) - margin, embedding.points.max(0) + margin)
    figure.legend(loc="outside right center", fontsize=7, frameon=False)
    return to_plot(
        "embedding",
        f"{embedding.method} of recordings",
        "The same plane, each recording with the colour and shape of its (first) species. Distances between distant "
        "groups have no meaning.",
        figure,
    )


def _remove_axes(figure: Figure, low: FloatArray, high: FloatArray) -> None:
    axes = figure.axes[0]
    style_axes(axes)
    axes.grid(visible=False)
    axes.set(xticks=(), yticks=(), xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.spines[["left", "bottom"]].set_visible(False)
