"""AnuraSet (Cañas et al., Scientific Data 10, 771, 2023; Zenodo 8342596) as published, including its known errors.

DIR/raw_data/SITE/STEM.wav            recordings of one minute; unpacking may add a level of folders
DIR/strong_labels/SITE/STEM.txt       Audacity label tracks; an empty file means that nothing calls
DIR/weak_labels.csv                   MONITORING_SITE, AUDIO_FILE_ID, a calling index 0 to 3 for each species

DIR/metadata.csv                      windows of 3 s: sample_name, fname, min_t, max_t, site, date, species_number,
                                      subset, and 0 or 1 for each species
DIR/[audio/]SITE/FNAME_MIN_MAX.wav    or SITE/SAMPLE_NAME
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import soundfile

from anura_train.data.corpus import Corpus, Recording, StrongLabel, Taxon, WeakLabel, sort_by_onset
from anura_train.data.findings import Findings
from anura_train.data.readers.anuraset_species import ANURASET
from anura_train.data.readers.audacity import read_audacity
from anura_train.data.readers.csv_rows import read_cells
from anura_train.data.readers.filenames import night_of, site_and_time

BRT = timezone(timedelta(hours=-3), "BRT")
"""File names have the time of Brasília (Cañas et al. 2023), which had no daylight saving time in those years."""

LICENCE, ATTRIBUTION = "CC BY 4.0", "AnuraSet, J. S. Cañas et al. 2023, doi:10.5281/zenodo.8342596"

METADATA_COLUMNS = ("sample_name", "fname", "min_t", "max_t", "site", "date", "species_number", "subset")
"""The columns of metadata.csv that are not species."""

WEAK_LABEL_COLUMNS = ("MONITORING_SITE", "AUDIO_FILE_ID")
"""The columns of weak_labels.csv that are not species."""


def read_minutes(root: Path, findings: Findings) -> Corpus:
    """Read the recordings of one minute. The corpus has only species that call in one of them."""
    return _without_absent_species(read_labelled_minutes(root, findings), root, findings)


def read_labelled_minutes(root: Path, findings: Findings) -> Corpus:
    """Read the recordings of one minute with strong and weak labels, and all species of the weak labels.

    The known errors of the published set are warnings: label lines that cannot be read, calls after the end of a
    recording (they are cut there), labels without a recording. A recording that cannot be read, or has no label track,
    is an error.
    """
    audio = _by_stem(root, "raw_data", ".wav")
    tracks = _by_stem(root, "strong_labels", ".txt")
    if not audio:
        findings.error(root / "raw_data", "contains no .wav; name the folder that raw_data.zip was unpacked in")
    weak, codes = _read_weak(root / "weak_labels.csv", findings)
    for kind, stems in (("label tracks", tracks.keys()), ("weak labels", weak.keys())):
        if orphans := sorted(stems - audio.keys()):
            findings.warning(root, f"{len(orphans)} {kind} without a recording, such as {orphans[0]}; skipped")
    recordings = []
    for stem, path in audio.items():
        if (duration_s := _duration_s(path, findings)) is None:
            continue
        if stem not in tracks:
            findings.error(path, "has no label track; copy it to strong_labels, or an empty file if nothing calls")
            continue
        strong = tuple(_strong(tracks[stem], duration_s, codes, findings))
        recordings.append(_minute(path, stem, strong, weak.get(stem, ())))
    _count_contradictions(recordings, root, findings)
    return Corpus(tuple(recordings), tuple(_taxon(code) for code in codes))


def read_windows(root: Path, findings: Findings) -> Corpus:
    """Read the published windows. A window becomes a recording; its group is the minute that it was cut from."""
    table = root / "metadata.csv"
    recordings: dict[str, Recording] = {}
    wrong_counts, species = 0, dict[str, Taxon]()
    for where, cells in read_cells(table, findings, ("fname", "min_t", "max_t", "site", "subset")):
        marks = {column: cell for column, cell in cells.items() if column not in METADATA_COLUMNS}
        if invalid := [column for column, mark in marks.items() if mark not in ("0", "1")]:
            findings.error(where, f"{', '.join(invalid)}: neither 0 nor 1; correct the row")
            continue
        if not (cells["min_t"].isdigit() and cells["max_t"].isdigit()):
            findings.error(where, "min_t, max_t: not whole seconds; correct the row")
            continue
        codes = tuple(code for code, mark in marks.items() if mark == "1")
        window = _window(root, cells, codes)
        if window.name in recordings:
            findings.error(where, f"{window.name} is listed twice; delete one of the rows")
        recordings[window.name] = window
        wrong_counts += cells.get("species_number") not in (None, str(len(codes)))
        species = species or {code: _taxon(code) for code in marks}
    if wrong_counts:
        findings.warning(table, f"species_number is not the number of species in {wrong_counts} rows; it is not used")
    return _without_absent_species(Corpus(tuple(recordings.values()), tuple(species.values())), table, findings)


def canonical_name(name: str) -> str:
    """Return a stem or site in the form of the file names: the weak labels have INCT04 where files have INCT4."""
    return re.sub(r"^INCT0+(?=\d)", "INCT", name.removesuffix(".wav").removesuffix(".WAV"))


def _by_stem(root: Path, folder: str, suffix: str) -> dict[str, Path]:
    """Return all files with a suffix at any depth; unpacking may add one or two levels of folders."""
    paths = sorted(path for path in (root / folder).rglob("*") if path.suffix.lower() == suffix)
    # macOS adds a file `._NAME` for each file that it copies.
    return {canonical_name(path.stem): path for path in paths if not path.name.startswith(".")}


def _read_weak(table: Path, findings: Findings) -> tuple[dict[str, tuple[WeakLabel, ...]], tuple[str, ...]]:
    """Return the weak labels by stem, and all species: first those of AnuraSet in its order, then others."""
    if not table.is_file():
        findings.warning(table, "is missing; recordings have no calling index")
        return {}, tuple(ANURASET)
    weak: dict[str, tuple[WeakLabel, ...]] = {}
    codes: dict[str, None] = {}
    for where, cells in read_cells(table, findings, WEAK_LABEL_COLUMNS):
        # A table that was saved by pandas has 2.0 instead of 2.
        marks = {code: cell.removesuffix(".0") for code, cell in cells.items() if code not in WEAK_LABEL_COLUMNS}
        codes |= dict.fromkeys(marks)
        if invalid := [column for column, mark in marks.items() if mark not in ("", "0", "1", "2", "3")]:
            findings.warning(where, f"{', '.join(invalid)}: not a calling index from 0 to 3; skipped")
        labels = (WeakLabel(code, int(mark)) for code, mark in marks.items() if mark in ("1", "2", "3"))
        weak[canonical_name(cells["AUDIO_FILE_ID"])] = tuple(labels)
    known = tuple(code for code in ANURASET if code in codes)
    return weak, known + tuple(code for code in codes if code not in ANURASET)


def _strong(track: Path, duration_s: float, codes: tuple[str, ...], findings: Findings) -> Iterator[StrongLabel]:
    for where, label in read_audacity(track, findings.warning):
        if label.code not in codes:
            findings.warning(where, f"unknown species {label.code!r}; skipped")
        elif label.onset_s >= duration_s:
            findings.warning(where, f"begins after the recording's end at {duration_s:.2f} s; skipped")
        elif label.offset_s > duration_s:
            findings.warning(where, f"ends after the recording's end at {duration_s:.2f} s; cut there")
            yield replace(label, offset_s=duration_s)
        else:
            yield label


def _minute(path: Path, stem: str, strong: tuple[StrongLabel, ...], weak: tuple[WeakLabel, ...]) -> Recording:
    site, local = site_and_time(stem)
    site = site or canonical_name(path.parent.name)
    return Recording(
        path=path,
        name=f"{site}/{stem}.wav",
        group=stem,
        weak=weak,
        strong=sort_by_onset(strong),
        site=site,
        night=night_of(local),
        start=local and local.replace(tzinfo=BRT),
        licence=LICENCE,
        attribution=ATTRIBUTION,
    )


def _window(root: Path, cells: dict[str, str], codes: tuple[str, ...]) -> Recording:
    stem, site = canonical_name(cells["fname"]), canonical_name(cells["site"])
    _, local = site_and_time(stem)
    name = f"{site}/{stem}_{cells['min_t']}_{cells['max_t']}.wav"
    return Recording(
        path=_window_file(root, cells, name),
        name=name,
        group=stem,
        weak=tuple(map(WeakLabel, codes)),
        site=site,
        night=night_of(local),
        start=local and local.replace(tzinfo=BRT) + timedelta(seconds=int(cells["min_t"])),
        licence=LICENCE,
        attribution=ATTRIBUTION,
        split=cells["subset"],
    )


def _window_file(root: Path, cells: dict[str, str], name: str) -> Path:
    """Return the first path at which a window's file exists, or the first possible path if there is no file."""
    names = (name, f"{cells['site']}/{cells.get('sample_name', '')}")
    candidates = [folder / file for folder in (root / "audio", root) for file in names]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _duration_s(path: Path, findings: Findings) -> float | None:
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError) as error:
        findings.error(path, f"cannot be decoded: {error}; copy it again")
        return None


def _count_contradictions(recordings: list[Recording], root: Path, findings: Findings) -> None:
    """Warn about recordings with weak labels but no strong ones; both kinds of labels stay."""
    unboxed = [each.name for each in recordings if each.weak and not each.strong]
    if unboxed:
        findings.warning(root, f"{len(unboxed)} recordings with weak labels have no strong one, such as {unboxed[0]}")


def _without_absent_species(corpus: Corpus, where: Path, findings: Findings) -> Corpus:
    """Return a corpus without the species that have no recording: a single site has few of the 42."""
    present = {code for recording in corpus.recordings for code in recording.codes}
    if absent := [taxon.code for taxon in corpus.species if taxon.code not in present]:
        findings.warning(where, f"no recording of {', '.join(absent)}; they are removed from the species table")
    return replace(corpus, species=tuple(taxon for taxon in corpus.species if taxon.code in present))


def _taxon(code: str) -> Taxon:
    return ANURASET.get(code, Taxon(code))
