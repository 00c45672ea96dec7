"""The command `anura-train suggest`."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.errors import SourceError
from anura_train.checkpoints.files import replace_file
from anura_train.cli.data import progress

if TYPE_CHECKING:
    from anura_train.models import Net
    from anura_train.suggestions.pieces import Piece

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"})
TABLE = "suggestions.csv"
COLUMNS = ("clip", "recording", "start_s", "stop_s", "uncertainty", "label", "score")


def suggest_command(
    recordings: Annotated[Path, typer.Argument(help="Folder of recordings without labels.")],
    trained: Annotated[Path, typer.Option(help="OUT of `fit`.")],
    out: Annotated[Path, typer.Option(help="Folder for the clips and suggestions.csv.")],
    count: Annotated[int, typer.Option(min=1, help="Number of clips.")] = 30,
) -> None:
    """Write the clips whose labels would teach a trained model most, the most useful first.

    They are the pieces of recordings about which the model is undecided, and which differ from each other. A file that
    cannot be decoded is named and left out.

    Example: anura-train suggest /media/card/Data --trained build/train/few --out build/data/to-label
    """
    import torch

    from anura_train.checkpoints.final import load_checkpoint
    from anura_train.suggestions.pieces import suggest

    checkpoint = load_checkpoint(trained)
    found = sorted(path for path in recordings.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SourceError(f"{recordings} has no recordings; name a folder with {', '.join(sorted(SUFFIXES))} files")
    # Depthwise convolutions are twice as fast on a CPU with channels_last memory.
    model = checkpoint.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pieces = suggest(list(_score_all(found, model)), count)
    _write(pieces, [each.code for each in checkpoint.provenance.species], recordings, out)
    typer.echo(f"{len(pieces)} clips of {len(found)} recordings, listed in {out / TABLE}")


def _score_all(paths: Sequence[Path], model: "Net") -> Iterator["Piece"]:
    from anura_train.suggestions.pieces import score_pieces

    report = progress("recordings scored")
    for number, path in enumerate(paths, 1):
        try:
            yield from score_pieces(path, model)
        except SourceError as error:
            typer.echo(f"left out: {error}", err=True)
        report(number, len(paths))


def _write(pieces: Sequence["Piece"], labels: Sequence[str], root: Path, out: Path) -> None:
    from anura_train.suggestions.pieces import write_clip

    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, piece in enumerate(pieces, 1):
        clip = f"{number:03}-{piece.path.stem}-{piece.start_s}s.flac"
        write_clip(piece, out / clip)
        best = int(piece.probabilities.argmax())
        score = f"{piece.probabilities[best]:.2f}"
        where = (piece.path.relative_to(root), piece.start_s, f"{piece.stop_s:g}")
        rows.append((clip, *where, f"{piece.doubt:.2f}", labels[best], score))
    with replace_file(out / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
