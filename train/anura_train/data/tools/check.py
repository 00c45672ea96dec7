"""Checks of the audio and of the whole corpus, after the checks of the readers."""

import hashlib
from collections import defaultdict

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.data.audio import decode_audio
from anura_train.data.corpus import MIN_GROUPS, Corpus, Recording
from anura_train.data.findings import MISSING, Findings
from anura_train.data.folds import find_leaks
from anura_train.data.progress import OnRecording

TOLERANCE_S = 0.05
"""A label may end this much after its recording: programs round, and labels end at the edge of a pixel."""


def check_corpus(corpus: Corpus, findings: Findings, on_recording: OnRecording) -> None:
    """Decode every recording, and check all classes and published splits."""
    if not corpus.recordings and not findings.errors:
        findings.error("corpus", "contains no recording; add some")
    seen: dict[bytes, Recording] = {}
    for done, recording in enumerate(corpus.recordings, start=1):
        _check_recording(recording, seen, findings)
        on_recording(done, len(corpus.recordings))
    _check_classes(corpus, findings)
    parts = {recording.name: recording.split for recording in corpus.recordings if recording.split}
    for leak in find_leaks((each for each in corpus.recordings if each.split), parts):
        findings.error("split", leak)


def _check_recording(recording: Recording, seen: dict[bytes, Recording], findings: Findings) -> None:
    if not recording.path.is_file():
        return findings.error(recording.path, MISSING)
    try:
        samples, rate_hz = decode_audio(recording)
    except SourceError as error:
        return findings.error(recording.path, str(error))
    duration_s = len(samples) / rate_hz
    for label in recording.strong:
        if label.onset_s >= duration_s or label.offset_s > duration_s + TOLERANCE_S:
            box = f"{label.code}, {label.onset_s:g} to {label.offset_s:g} s"
            findings.error(recording.name, f"{box}: after the recording's end at {duration_s:.2f} s; correct it")
    return _check_copy(recording, samples, seen, findings)


def _check_copy(recording: Recording, samples: FloatArray, seen: dict[bytes, Recording], findings: Findings) -> None:
    """Report the same audio under two names: a split by group could put it on both sides."""
    if not np.isfinite(samples).all():
        findings.error(recording.path, "contains NaN or infinite samples; write it again")
    if not samples.any():
        findings.warning(recording.path, "is digital silence")
        return
    first = seen.setdefault(hashlib.sha256(samples.tobytes()).digest(), recording)
    if first.group != recording.group:
        findings.error(recording.name, f"is the same audio as {first.name} of another group; delete one of them")


def _check_classes(corpus: Corpus, findings: Findings) -> None:
    groups: dict[str, set[str]] = defaultdict(set)
    for recording in corpus.recordings:
        for code in recording.codes:
            groups[code].add(recording.group)
    labels = corpus.labels()
    for taxon in corpus.species:
        if not groups[taxon.code]:
            findings.error(f"species {taxon.code}", "it has no recording; add one or delete it from the species table")
        elif len(groups[taxon.code]) < MIN_GROUPS:
            findings.warning(
                f"species {taxon.code}", "one group of recordings is not enough for a test; it is not used as a label"
            )
        elif taxon.code not in labels:
            findings.warning(
                f"species {taxon.code}", "all its recordings are in the test part; it is not used as a label"
            )
