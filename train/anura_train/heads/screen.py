"""Finds recordings that are listed as backgrounds although an animal of a taxon may call in them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from anura_train.data import Corpus, Recording
from anura_train.data.progress import OnRecording
from anura_train.heads.embeddings import EmbeddingStore
from anura_train.models.birdnet.taxa import check_taxon, taxon_of


@dataclass(frozen=True, slots=True)
class PossibleCall:
    """A background, and the species of the taxon with the highest score in it."""

    recording: Recording
    species: str
    score: float


def possible_calls(
    corpus: Corpus, store: EmbeddingStore, taxon: str, min_score: float, on_recording: OnRecording
) -> Iterator[PossibleCall]:
    """Yield the backgrounds in which BirdNET's highest score of a species of the taxon is at least `min_score`.

    Raises ConfigError for an unknown taxon.
    """
    wanted = check_taxon(taxon)
    species = store.frozen.species
    rows = [number for number, name in enumerate(species) if taxon_of(name) == wanted]
    backgrounds = corpus.backgrounds + corpus.held_out
    embeddings = store.of_recordings(backgrounds, on_recording)
    for recording, windows in zip(backgrounds, embeddings, strict=True):
        highest = store.frozen.logits(windows, rows).max(0)
        score = float(expit(highest.max()))
        if score >= min_score:
            yield PossibleCall(recording, species[rows[int(np.argmax(highest))]], score)
