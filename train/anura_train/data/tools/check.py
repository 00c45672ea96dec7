"""What only the sound and the corpus as a whole can tell: the second half of the report on a data set."""

import hashlib
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.data.audio import decode_audio
from anura_train.data.corpus import MIN_GROUPS, Corpus, Recording
from anura_train.data.findings import MISSING, Findings
from anura_train.data.folds import find_leaks

TOLERANCE_S = 0.05
"""A label may end so much after its recording: programs round, and draw labels to the edge of a pixel."""

OnRecording = Callable[[int, int], None]
"""Called after each recording with how many are done, and how many there are."""


def check_corpus(corpus: Corpus, findings: Findings, on_recording: OnRecording) -> None:
    """Listen to every recording, look at every class and split, and note all faults."""
    if not corpus.recordings and not findings.errors:
        findings.error("corpus", "holds no recording; list some")
    heard: dict[bytes, Recording] = {}
    for done, recording in enumerate(corpus.recordings, start=1):
        _check_recording(recording, heard, findings)
        on_recording(done, len(corpus.recordings))
    _check_classes(corpus, findings)
    own = {recording.name: recording.split for recording in corpus.recordings if recording.split}
    for leak in find_leaks((each for each in corpus.recordings if each.split), own):
        findings.error("split", leak)


def _check_recording(recording: Recording, heard: dict[bytes, Recording], findings: Findings) -> None:
    if not recording.path.is_file():
        return findings.error(recording.path, MISSING)
    try:
        samples, rate_hz = decode_audio(recording)
    except SourceError as error:
        return findings.error(recording.path, str(error))
    duration_s = len(samples) / rate_hz
    for label in recording.strong:
        if label.onset_s >= duration_s or label.offset_s > duration_s + TOLERANCE_S:
            what = f"{label.code}, {label.onset_s:g} to {label.offset_s:g} s"
            findings.error(recording.name, f"{what}: beyond the recording's end at {duration_s:.2f} s; correct it")
    return _check_copy(recording, samples, heard, findings)


def _check_copy(recording: Recording, samples: FloatArray, heard: dict[bytes, Recording], findings: Findings) -> None:
    """Note the same sound under two names: a split by group could put it on both sides."""
    if not np.isfinite(samples).all():
        findings.error(recording.path, "has samples that are no numbers; write it again")
    if not samples.any():
        findings.warning(recording.path, "is digital silence")
        return
    first = heard.setdefault(hashlib.sha256(samples.tobytes()).digest(), recording)
    if first.group != recording.group:
        findings.error(recording.name, f"is the same sound as {first.name}, of another group; delete one of them")


def _check_classes(corpus: Corpus, findings: Findings) -> None:
    groups: dict[str, set[str]] = defaultdict(set)
    for recording in corpus.recordings:
        for code in recording.codes:
            groups[code].add(recording.group)
    labels = corpus.labels()
    for taxon in corpus.species:
        if not groups[taxon.code]:
            findings.error(f"species {taxon.code}", "no recording of it; add one or delete it from the species table")
        elif len(groups[taxon.code]) < MIN_GROUPS:
            findings.warning(f"species {taxon.code}", "recordings of one group alone cannot be tested; it is no label")
        elif taxon.code not in labels:
            findings.warning(f"species {taxon.code}", "all recordings are set aside to test on; it is no label")
