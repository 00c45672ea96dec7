"""Data sets: reading, checking, folds, and tools that build new ones."""

from anura_train.data.audio import load_audio
from anura_train.data.corpus import Corpus, Recording, StrongLabel, Taxon, WeakLabel
from anura_train.data.findings import Finding, Findings
from anura_train.data.readers.frogs import FREE_LICENCES
from anura_train.data.readers.layouts import read_corpus

__all__ = [
    "FREE_LICENCES",
    "Corpus",
    "Finding",
    "Findings",
    "Recording",
    "StrongLabel",
    "Taxon",
    "WeakLabel",
    "load_audio",
    "read_corpus",
]
