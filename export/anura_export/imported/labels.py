"""Reads a file of labels and gives each label a code."""

from pathlib import Path

from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.manifest import Label
from anura_export.bundles.label_codes import MAX_CODE_LENGTH, label_code
from anura_train.models.birdnet.files import parse_labels


def read_labels(path: Path, threshold: float) -> tuple[Label, ...]:
    """Read one label per line, `Scientific name_Common name` or a name alone, in the order of the model's outputs.

    A code is the scientific name with hyphens; equal codes get a number. Raises ConfigError for a file that cannot be
    read, has no labels, or has a name without any letter or digit of ASCII.
    """
    try:
        names = parse_labels(path.read_bytes(), path)
    except OSError as error:
        raise ConfigError(f"cannot read the labels {path}: {error.strerror}; correct the path") from error
    except ModelError as error:
        raise ConfigError(str(error)) from error
    if not names:
        raise ConfigError(f"{path} has no labels; write one per line, in the order of the model's outputs")
    labels, codes = [], set[str]()
    for number, name in enumerate(names, start=1):
        code = _unused(label_code(name.scientific_name), codes)
        if not code:
            raise ConfigError(f"{path}: label {number}, {name.scientific_name!r}, has no letter or digit for a code")
        codes.add(code)
        labels.append(
            Label(
                code=code,
                scientific_name=name.scientific_name,
                common_name=name.common_name,
                threshold=threshold,
            )
        )
    return tuple(labels)


def _unused(code: str, used: set[str]) -> str:
    unused, number = code, 1
    while unused in used:
        number += 1
        suffix = f"-{number}"
        unused = code[: MAX_CODE_LENGTH - len(suffix)] + suffix
    return unused
