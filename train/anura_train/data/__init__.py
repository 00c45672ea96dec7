"""Recordings on disk, brought into one form."""

from anura_train.data.corpus import Corpus, Recording, StrongLabel, Taxon, WeakLabel
from anura_train.data.findings import Finding, Findings
from anura_train.data.frogs import FREE_LICENCES
from anura_train.data.read import read_corpus
from anura_train.data.sound import RATE_HZ, load

__all__ = [
    "FREE_LICENCES",
    "RATE_HZ",
    "Corpus",
    "Finding",
    "Findings",
    "Recording",
    "StrongLabel",
    "Taxon",
    "WeakLabel",
    "load",
    "read_corpus",
]
