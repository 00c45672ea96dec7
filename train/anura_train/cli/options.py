"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from anura_train.training.compute import MAX_WORKERS, Accelerator, Precision

Data = Annotated[Path, typer.Option(help="Folder with recordings.csv, or with frogs/, background/ and esc10/.")]
Out = Annotated[Path, typer.Option(help="Folder for the results of the training.")]
Recipes = Annotated[Path, typer.Option(help="Recipe, a YAML file as in train/recipes.")]
Variants = Annotated[list[str], typer.Option(help="Variant of the recipe to apply. Can be given several times.")]
Fold = Annotated[int | None, typer.Option(help="Train this fold only. By default all folds and the final model.")]
Jobs = Annotated[int, typer.Option(min=1, help="Number of trainings at a time. Each uses one core.")]
Where = Annotated[Accelerator, typer.Option(help="Processor that trains.")]
Devices = Annotated[int, typer.Option(min=1, help="Number of GPUs that share each training.")]
Digits = Annotated[Precision, typer.Option(help="Precision of the computation. bf16-mixed is faster on a GPU.")]
Tensorboard = Annotated[bool, typer.Option(help="Write TensorBoard files to OUT/tensorboard as well.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0, help=f"Threads that make examples ahead. By default {MAX_WORKERS} for a GPU and none for a CPU."
    ),
]
Cache = Annotated[
    Path | None, typer.Option(help="File that caches embeddings of a frozen network. By default OUT/embeddings.db.")
]
EMBEDDINGS = "embeddings.db"
