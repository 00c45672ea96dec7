"""The commands `anura-train data`: what a data set holds, what is wrong with it, and new ones made of it."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.errors import ConfigError
from anura_train.data import Corpus, Findings, Recording, Taxon
from anura_train.data.folds import corpus_folds, night_folds, site_folds
from anura_train.data.readers.anuraset import read_labelled_minutes, read_windows
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.layouts import LAYOUTS, layout_of
from anura_train.data.tools.anuraset_build import AnurasetWindowSettings, build_windows
from anura_train.data.tools.check import OnRecording, check_corpus
from anura_train.data.tools.soundscapes import SoundscapeSettings, write_soundscapes

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=__doc__)

Layout = StrEnum("Layout", {name: name for name in LAYOUTS})  # type: ignore[misc]


class FoldUnit(StrEnum):
    """What folds are made of."""

    GROUPS = "groups"
    NIGHTS = "nights"
    SITES = "sites"


class LabelFormat(StrEnum):
    """Programs that label files are written for."""

    RAVEN = "raven"
    AUDACITY = "audacity"


Strict = Annotated[bool, typer.Option(help="Treat warnings as errors.")]
Out = Annotated[Path, typer.Option(help="Folder for what is made.")]


@app.command("read")
def read_command(
    layout: Annotated[Layout, typer.Argument(help="How the folder is laid out; see docs/reference/datasets.md.")],
    folder: Annotated[Path, typer.Argument(help="The data set.")],
    out: Out,
    strict: Strict = False,
) -> None:
    """Read a data set in a known layout and write it as the tables that `fit` takes.

    Example: anura-train data read raven ~/annotated --out build/data/pond
    """
    findings = Findings()
    corpus = LAYOUTS[layout.value](folder, findings)
    report(findings, strict)
    write_tables(corpus, out)
    typer.echo(summary(corpus))


@app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(help="The data set.")],
    layout: Annotated[Layout | None, typer.Option(help="How it is laid out; by default as `fit` reads it.")] = None,
    strict: Strict = False,
) -> None:
    """Read tables and sound, and name every fault at once; ends with 4 when there is any.

    Example: anura-train data check ../data
    """
    typer.echo(summary(read_and_check(folder, layout.value if layout else layout_of(folder), strict)))


@app.command("anuraset")
def anuraset_command(
    raw: Annotated[Path, typer.Option(help="Folder with raw_data/, strong_labels/ and weak_labels.csv.")],
    out: Out,
    min_overlap_s: Annotated[
        float, typer.Option(min=0, max=3, help="How much of a call labels a window, in seconds; 0: any part of it.")
    ] = 0.0,
    band_pass: Annotated[bool, typer.Option(help="Keep 1 to 10,000 Hz.")] = True,
    normalise: Annotated[bool, typer.Option(help="Bring each window to a peak of -0.7 dBFS.")] = True,
    test_share: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the minutes to test on.")] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Decides which minutes those are.")] = 0,
    strict: Strict = False,
) -> None:
    """Build AnuraSet's windows from its raw minutes and labels, and write tables that `fit` takes beside them.

    Example: anura-train data anuraset --raw ~/anuraset --out build/data/anuraset
    """
    findings = Findings()
    minutes = read_labelled_minutes(raw, findings)
    report(findings, strict)
    settings = AnurasetWindowSettings(min_overlap_s, band_pass, normalise, test_share, seed)
    build_windows(minutes, out, settings, progress("minutes cut"))
    built = Findings()
    windows = read_windows(out, built)
    report(built, strict=False)
    write_tables(windows, out)
    typer.echo(summary(windows))


@app.command("folds")
def folds_command(
    data: Annotated[Path, typer.Option(help="A data set, as `fit` takes it.")],
    out: Out,
    by: Annotated[FoldUnit, typer.Option(help="What no split may part.")],
    folds: Annotated[int, typer.Option(min=2, max=100, help="How many; sites are a fold each.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides what goes into which fold.")] = 0,
) -> None:
    """Write tables in which each recording names its fold, for `fit` to take; a part `test` stays as it is.

    Example: anura-train data folds --data build/data/anuraset --by sites --out build/data/anuraset-by-site
    """
    corpus = read_and_check(data, layout_of(data))
    learnt = corpus.frogs + corpus.backgrounds
    if by is FoldUnit.SITES:
        dealt = site_folds(learnt)
    elif by is FoldUnit.NIGHTS:
        dealt = night_folds(learnt, folds, seed)
    else:
        dealt = corpus_folds(corpus, folds, seed)
    recordings = (
        replace(each, split=str(dealt[each.name] + 1)) if each.name in dealt else each for each in corpus.recordings
    )
    split = replace(corpus, recordings=tuple(recordings))
    write_tables(split, out)
    typer.echo(summary(split))


@app.command("synth")
def synth_command(
    data: Annotated[Path, typer.Option(help="Calls and backgrounds, as `fit` takes them.")],
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="Soundscapes to make.")] = 20,
    duration_s: Annotated[float, typer.Option(min=5, max=3600, help="Length of each.")] = 30.0,
    calls: Annotated[tuple[int, int], typer.Option(min=0, max=1000, help="Fewest and most calls in one.")] = (1, 6),
    snr_db: Annotated[tuple[float, float], typer.Option(help="Weakest and strongest call against what is beneath.")] = (
        0.0,
        20.0,
    ),
    folds: Annotated[int, typer.Option(min=2, help="Folds that share no recording; each soundscape is in one.")] = 5,
    labels: Annotated[LabelFormat, typer.Option(help="For which program the label files are.")] = LabelFormat.RAVEN,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same soundscapes.")] = 0,
) -> None:
    """Make soundscapes in which every call's onset, offset and signal-to-noise ratio is known.

    Example: anura-train data synth --data ../data --out build/data/synth --snr-db 0 0
    """
    for name, (low, high) in (("calls", calls), ("snr-db", snr_db)):
        if low > high:
            raise ConfigError(f"--{name} {low:g} {high:g}: name the lower one first")
    settings = SoundscapeSettings(count, duration_s, calls, snr_db, folds, labels.value, seed)
    typer.echo(summary(write_soundscapes(read_and_check(data, layout_of(data)), out, settings)))


def read_and_check(folder: Path, layout: str, strict: bool = False) -> Corpus:
    """Read a data set and listen to all of it; SourceError names every fault in one report."""
    findings = Findings()
    corpus = LAYOUTS[layout](folder, findings)
    check_corpus(corpus, findings, progress("recordings checked"))
    report(findings, strict)
    return corpus


def report(findings: Findings, strict: bool) -> None:
    """Print the warnings, then raise SourceError if there are errors."""
    if strict:
        findings.errors += findings.warnings
    else:
        for warning in findings.warnings:
            typer.echo(f"warning: {warning}", err=True)
    findings.raise_if_errors()


def progress(what: str) -> OnRecording:
    """Return a counter that shows itself on a terminal, and nowhere else."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {total} {what}", err=True, nl=done == total)

    return show


def summary(corpus: Corpus) -> str:
    """Return what a corpus holds as a table for people."""
    return "\n".join(_summary(corpus))


def _summary(corpus: Corpus) -> Iterator[str]:
    yield f"{'species':34} {'recordings':>10} {'groups':>7} {'boxes':>7}"
    members = defaultdict[str, list[Recording]](list)
    for recording in corpus.recordings:
        for code in recording.codes or ("",):
            members[code].append(recording)
    for taxon in (*corpus.species, Taxon("", "(none)")):
        name = f"{taxon.code} {taxon.scientific_name}".strip()
        groups = {each.group for each in members[taxon.code]}
        boxes = sum(label.code == taxon.code for each in members[taxon.code] for label in each.strong)
        yield f"{name:34} {len(members[taxon.code]):10d} {len(groups):7d} {boxes:7d}"
    yield f"{'all':34} {len(corpus.recordings):10d} {len({each.group for each in corpus.recordings}):7d}"
    for field in ("split", "site", "licence"):
        counts = Counter(getattr(each, field) for each in corpus.recordings if getattr(each, field))
        if counts:
            yield f"{field}: " + ", ".join(f"{count} {value}" for value, count in sorted(counts.items()))
    nights = {(each.site, each.night) for each in corpus.recordings if each.night}
    if nights:
        days = [night for _, night in nights if night]
        yield f"nights: {len(nights)}, from {min(days)} to {max(days)}"
