"""BirdNET as a frozen network: audio to embeddings, and its own logits of them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError, ModelError
from anura_train.data import Corpus
from anura_train.data.species_names import current_names
from anura_train.models.birdnet.files import REMEDY, read_birdnet
from anura_train.models.birdnet.licence import CREDIT
from anura_train.models.birdnet.network import BirdnetBody, drop_blocks
from anura_train.models.birdnet.transfer import SPECIES_PER_LABEL
from anura_train.models.birdnet.weights import build_birdnet
from anura_train.models.int8_weights import round_to_int8
from anura_train.models.settings import BirdnetSettings
from anura_train.models.window import unfold_windows

BATCH_WINDOWS = 16


@dataclass(frozen=True, slots=True, eq=False)
class FrozenBirdnet:
    """BirdNET's front end and body as a recipe changes them, and its names of species."""

    front_end: nn.Module
    body: BirdnetBody
    rate_hz: int
    species: tuple[str, ...]
    """Scientific names in the order of the body's logits."""
    digest: str
    """Identifies the weights."""
    source: str
    """The published file and the credit of its authors."""

    @torch.inference_mode()
    def embed(self, audio: FloatArray) -> FloatArray:
        """Return the embeddings (windows, EMBEDDING) of a recording (samples,): a window each second."""
        windows = unfold_windows(torch.from_numpy(audio), self.rate_hz)
        parts = [self.body.embeddings(self.front_end(batch)) for batch in torch.split(windows, BATCH_WINDOWS)]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    @torch.inference_mode()
    def logits(self, embeddings: FloatArray, rows: Sequence[int]) -> FloatArray:
        """Return BirdNET's logits of some of its species, (windows, rows)."""
        head = self.body.head
        logits = torch.from_numpy(embeddings) @ head.weight[list(rows)].T + head.bias[list(rows)]
        return np.asarray(logits.numpy(), np.float32)


def load_frozen(settings: BirdnetSettings) -> FrozenBirdnet:
    """Read and change BirdNET's weights. ModelError without the file, or for another one."""
    if settings.pretrained is None:
        raise ModelError(f"the recipe needs the weights of BirdNET: give `--pretrained FILE`; {REMEDY}")
    files = read_birdnet(Path(settings.pretrained))
    model = build_birdnet(files.classifier)
    body = cast(BirdnetBody, model.body)
    drop_blocks(body, settings.dropped_blocks)
    if settings.int8_weights:
        round_to_int8(body)
    # Depthwise convolutions are twice as fast on a CPU with channels_last memory.
    body = body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    changes = f"{files.classifier_sha256} {sorted(settings.dropped_blocks)} {settings.int8_weights}"
    names = tuple(label.scientific_name for label in files.labels)
    return FrozenBirdnet(
        model.front_end,
        body.eval(),
        model.rate_hz,
        names,
        digest=sha256(changes.encode()).hexdigest(),
        source=f"{CREDIT} (weights with SHA-256 {files.classifier_sha256})",
    )


def prior_rows(settings: BirdnetSettings, corpus: Corpus, species: Sequence[str]) -> list[list[int]]:
    """Return for each label of a corpus the numbers of BirdNET's species that it stands for; none for a new species.

    `species` are BirdNET's names. ConfigError for a name of the recipe that BirdNET does not have, or for a code that
    is not a label.
    """
    numbers, labels = {name: number for number, name in enumerate(species)}, corpus.labels()
    for code, names in settings.species.items():
        if code not in labels:
            raise ConfigError(f"model.species: {code!r} is no label of the data{_similar(code, labels)}; correct it")
        for name in names:
            if name not in numbers:
                raise ConfigError(
                    f"model.species: BirdNET has no species {name!r}{_similar(name, species)}; correct or delete it"
                )
        if len(names) > SPECIES_PER_LABEL:
            raise ConfigError(
                f"model.species: {code} has {len(names)} species, at most {SPECIES_PER_LABEL} are possible"
            )
    wanted = {code: settings.species.get(code) or current_names(code, _name(corpus, code)) for code in labels}
    return [[numbers[name] for name in wanted[code] if name in numbers] for code in labels]


def _name(corpus: Corpus, code: str) -> str:
    """Return the scientific name of a code. A code without a name may be the name itself, with `_` for spaces."""
    return corpus.taxon(code).scientific_name or code.replace("_", " ")


def _similar(name: str, names: Sequence[str]) -> str:
    similar = difflib.get_close_matches(name, names, n=3)
    return f"; similar names are {', '.join(similar)}" if similar else ""
