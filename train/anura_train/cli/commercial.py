"""The option `--commercial`: refuse what a licence forbids to use commercially."""

import re
from pathlib import Path

from anura_edge.errors import ConfigError, ModelError
from anura_train.data import read_corpus
from anura_train.head_recipe import AnyRecipe, HeadRecipe
from anura_train.models.birdnet.licence import LICENCE


def check_commercial_use(recipe: AnyRecipe, data: Path) -> None:
    """Raise ModelError for a recipe on BirdNET's weights; ConfigError for recordings with a non-commercial licence."""
    if isinstance(recipe, HeadRecipe):
        raise ModelError(
            f"recipe {recipe.id} uses BirdNET's weights, whose licence {LICENCE} forbids commercial use; choose a "
            "recipe that is trained from scratch"
        )
    corpus = read_corpus(data)
    refused = [each for each in corpus.frogs + corpus.backgrounds if re.search(r"\bNC\b", each.licence)]
    if refused:
        raise ConfigError(
            f"{len(refused)} recordings have a licence that forbids commercial use, as {refused[0].name}: "
            f"{refused[0].licence}; leave them out of the data"
        )
