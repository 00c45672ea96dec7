"""Read, check, split and synthesise data sets."""

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
from anura_train.data.progress import OnRecording
from anura_train.data.readers.anuraset import read_labelled_minutes, read_windows
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.layouts import LAYOUTS, layout_of
from anura_train.data.tools.check import check_corpus
from anura_train.data.tools.soundscapes import SoundscapeSettings, write_soundscapes

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=__doc__)

Layout = StrEnum("Layout", {name: name for name in LAYOUTS})  # type: ignore[misc]


class FoldUnit(StrEnum):
    """The unit that is never split between folds."""

    GROUPS = "groups"
    NIGHTS = "nights"
    SITES = "sites"


class LabelFormat(StrEnum):
    """Programs that read the label files."""

    RAVEN = "raven"
    AUDACITY = "audacity"


Strict = Annotated[bool, typer.Option(help="Treat warnings as errors.")]
Out = Annotated[Path, typer.Option(help="Folder for the new data set.")]


@app.command("read")
def read_command(
    layout: Annotated[Layout, typer.Argument(help="Layout of the folder, see docs/reference/datasets.md.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    out: Out,
    strict: Strict = False,
) -> None:
    """Read a data set in a known layout, and write it as the tables that `fit` reads.

    Example: anura-train data read raven ~/annotated --out build/data/pond
    """
    findings = Findings()
    corpus = LAYOUTS[layout.value](folder, findings)
    report(findings, strict)
    write_tables(corpus, out)
    typer.echo(summary(corpus))


@app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    layout: Annotated[
        Layout | None, typer.Option(help="Layout of the folder. By default the one that `fit` would use.")
    ] = None,
    strict: Strict = False,
) -> None:
    """Read all tables and audio files, and list every error. The exit code is 4 if there is one.

    Example: anura-train data check ../data
    """
    typer.echo(summary(read_and_check(folder, layout.value if layout else layout_of(folder), strict)))


@app.command("anuraset")
def anuraset_command(
    raw: Annotated[Path, typer.Option(help="Folder with raw_data/, strong_labels/ and weak_labels.csv.")],
    out: Out,
    min_overlap_s: Annotated[
        float,
        typer.Option(min=0, max=3, help="Seconds of a call that a window needs to get its label. 0: any part of it."),
    ] = 0.0,
    band_pass: Annotated[bool, typer.Option(help="Apply a band-pass filter from 1 to 10,000 Hz.")] = True,
    normalise: Annotated[bool, typer.Option(help="Scale each window to a peak of -0.7 dBFS.")] = True,
    test_share: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the minutes in the test part.")] = 0.3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of the test minutes.")] = 0,
    strict: Strict = False,
) -> None:
    """Build the windows of AnuraSet from its raw minutes and labels, and write them with the tables that `fit` reads.

    Example: anura-train data anuraset --raw ~/anuraset --out build/data/anuraset
    """
    from anura_train.data.tools.anuraset_build import AnurasetWindowSettings, build_windows

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
    data: Annotated[Path, typer.Option(help="Folder of a data set that `fit` can read.")],
    out: Out,
    by: Annotated[FoldUnit, typer.Option(help="What stays together in one fold.")],
    folds: Annotated[int, typer.Option(min=2, max=100, help="Number of folds. With sites, each site is a fold.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
) -> None:
    """Write the tables of a data set with a fold for each recording, which `fit` then uses. The part `test` stays.

    Example: anura-train data folds --data build/data/anuraset --by sites --out build/data/anuraset-by-site
    """
    corpus = read_and_check(data, layout_of(data))
    training_recordings = corpus.frogs + corpus.backgrounds
    if by is FoldUnit.SITES:
        fold_of = site_folds(training_recordings)
    elif by is FoldUnit.NIGHTS:
        fold_of = night_folds(training_recordings, folds, seed)
    else:
        fold_of = corpus_folds(corpus, folds, seed)
    recordings = (
        replace(each, split=str(fold_of[each.name] + 1)) if each.name in fold_of else each for each in corpus.recordings
    )
    split = replace(corpus, recordings=tuple(recordings))
    write_tables(split, out)
    typer.echo(summary(split))


@app.command("synth")
def synth_command(
    data: Annotated[Path, typer.Option(help="Folder of a data set with calls and backgrounds that `fit` can read.")],
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="Number of soundscapes.")] = 20,
    duration_s: Annotated[float, typer.Option(min=5, max=3600, help="Length of each soundscape in seconds.")] = 30.0,
    calls: Annotated[
        tuple[int, int], typer.Option(min=0, max=1000, help="Smallest and largest number of calls in a soundscape.")
    ] = (1, 6),
    snr_db: Annotated[
        tuple[float, float], typer.Option(help="Lowest and highest signal-to-noise ratio of a call in dB.")
    ] = (
        0.0,
        20.0,
    ),
    folds: Annotated[int, typer.Option(min=2, help="Number of folds. They share no source recording.")] = 5,
    labels: Annotated[LabelFormat, typer.Option(help="Program that reads the label files.")] = LabelFormat.RAVEN,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same soundscapes.")] = 0,
) -> None:
    """Write artificial soundscapes with known onset, offset and signal-to-noise ratio of every call.

    Example: anura-train data synth --data ../data --out build/data/synth --snr-db 0 0
    """
    for name, (low, high) in (("calls", calls), ("snr-db", snr_db)):
        if low > high:
            raise ConfigError(f"--{name} {low:g} {high:g}: the lower value comes first")
    settings = SoundscapeSettings(count, duration_s, calls, snr_db, folds, labels.value, seed)
    typer.echo(summary(write_soundscapes(read_and_check(data, layout_of(data)), out, settings)))


def read_and_check(folder: Path, layout: str, strict: bool = False) -> Corpus:
    """Read a data set and decode all of its audio; SourceError lists every error in one report."""
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
    """Return a function that shows a counter if standard error is a terminal."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{done} of {total} {what}", err=True, nl=done == total)

    return show


def summary(corpus: Corpus) -> str:
    """Return the contents of a corpus as a text table."""
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
