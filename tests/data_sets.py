"""Small synthetic data sets: frogs that are tones, and AnuraSet with its published layout."""

import csv
from pathlib import Path

import numpy as np
import soundfile

TONES_HZ = {"AAA": 800, "BBB": 2_000, "CCC": 4_500}
FROGS_RATE_HZ = 16_000
RAW_RATE_HZ = 22_050

SPECIES = ("SPHSUR", "BOAFAB", "LEPFUS")

STEMS = [
    *(f"INCT4_201911{day:02}_{hour}0000" for day in range(1, 6) for hour in (19, 23)),
    *(f"INCT17_201911{day:02}_040001" for day in range(1, 10)),
    "INCT20955_20191123_041500_000",
]


def write_frogs(root: Path) -> Path:
    """Write three labels with three groups each, a species with one group, and backgrounds, one under the GPL."""
    rng = np.random.default_rng(0)
    time_s = np.arange(3 * FROGS_RATE_HZ) / FROGS_RATE_HZ
    frogs = []
    for code, pitch_hz in TONES_HZ.items():
        for index in range(3):
            name = f"audio/{code}_{index}.flac"
            _write(root / "frogs" / name, 0.2 * np.sin(2 * np.pi * pitch_hz * time_s) + _noise(rng))
            frogs.append([name, code, f"Rana {code.lower()}", f"{code}{index}", "CC0", "somebody"])
    _write(root / "frogs/audio/DDD_0.flac", _noise(rng))
    frogs.append(["audio/DDD_0.flac", "DDD", "Rana rara", "DDD0", "CC BY-NC 4.0", "somebody"])
    backgrounds = []
    for index in range(4):
        name = f"audio/bg_{index}.flac"
        _write(root / "background" / name, _noise(rng))
        backgrounds.append([name, "rain", f"g{index}", "GPL-3" if index == 3 else "US public domain", "a park"])
    clips = []
    for name in ("audio/1-100-A.ogg", "audio/1-100-B.ogg", "audio/2-200-A.ogg"):
        _write(root / "esc10" / name, _noise(rng))
        clips.append([name, "Rain"])
    _table(root / "frogs/frogs.csv", "file,code,species,group,licence,attribution", frogs)
    _table(root / "background/background.csv", "file,kind,group,licence,attribution", backgrounds)
    _table(root / "esc10/esc10.csv", "file,label", clips)
    return root


def write_labelled(root: Path) -> Path:
    """Write tones with label tracks for Audacity: three labels with five recordings each, and five without a call."""
    rng = np.random.default_rng(0)
    time_s = np.arange(3 * FROGS_RATE_HZ) / FROGS_RATE_HZ
    for code, pitch_hz in {**TONES_HZ, "": 0}.items():
        for index in range(5):
            stem = f"{code or 'rain'}_{index}"
            _write(root / f"{stem}.flac", 0.2 * np.sin(2 * np.pi * pitch_hz * time_s) + _noise(rng))
            (root / f"{stem}.txt").write_text(f"0.0\t3.0\t{code}\n" if code else "")
    return root


def write_raw(root: Path) -> Path:
    """Write twenty stereo recordings of 6 s (one of 4.5 s) with labels in whole milliseconds; some have no label."""
    rng = np.random.default_rng(0)
    weak = ["MONITORING_SITE,AUDIO_FILE_ID," + ",".join(SPECIES)]
    for index, stem in enumerate(STEMS):
        site = stem.split("_")[0]
        duration_s = 4.5 if index == 3 else 6.0
        noise = rng.normal(0, 0.02, (round(duration_s * RAW_RATE_HZ), 2)) * [1, 2]
        (root / "raw_data" / site).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / "raw_data" / site / f"{stem}.wav", noise, RAW_RATE_HZ)
        present = [code for position, code in enumerate(SPECIES) if index % (position + 2) == 0]
        lines = [_line(rng, code, duration_s) for code in present for _ in range(rng.integers(1, 3))]
        track = root / "strong_labels/strong_labels" / site / f"{stem}.txt"
        track.parent.mkdir(parents=True, exist_ok=True)
        track.write_text("".join(lines))
        long = stem.replace("INCT4_", "INCT04_")  # the weak labels have another name for this site
        weak.append(f"{long.split('_')[0]},{long}," + ",".join(str(2 * (code in present)) for code in SPECIES))
    (root / "weak_labels.csv").write_text("\n".join(weak) + "\n")
    return root


def _line(rng: np.random.Generator, code: str, duration_s: float) -> str:
    onset_ms = int(rng.integers(0, duration_s * 1_000 - 100))
    offset_ms = int(rng.integers(onset_ms + 1, duration_s * 1_000))
    return f"{onset_ms / 1_000:.3f}\t{offset_ms / 1_000:.3f}\t{code}_{rng.choice(list('LMH'))}\n"


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.01, 3 * FROGS_RATE_HZ)


def _write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, FROGS_RATE_HZ)


def _table(path: Path, header: str, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])
