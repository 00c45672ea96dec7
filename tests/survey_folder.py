"""Recordings of two evenings at three sites, and what the tutorial about them promises."""

import csv
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.demo.card import CLIPS, NOISE_RMS

RATE_HZ = 24_000
LENGTH_S = 20
UTC_OFFSET = "-05:00"

RECORDINGS: dict[str, str | None] = {
    "pond/Data/SMA01_20250412_203000": "HYLCIN_n00",
    "pond/Data/SMA01_20250413_203000": None,
    "river/Data/SMA02_20250412_203000": "LITSPH_g042",
    "river/Data/SMA02_20250413_203000": "HYLCIN_n00",
    "Wet Meadow/Data/SMA03_20250412_203000": "ANAAME_g091",
    "Wet Meadow/Data/SMA03_20250413_203000": None,
}
"""The clip in each recording."""


def write_survey(folder: Path) -> Path:
    """Write the recordings below a folder, and return it."""
    for number, (name, clip) in enumerate(RECORDINGS.items()):
        audio = np.random.default_rng(number).normal(0, NOISE_RMS, LENGTH_S * RATE_HZ).astype(np.float32)
        if clip:
            call, _ = sf.read(CLIPS / f"{clip}.ogg", dtype="float32", frames=(LENGTH_S - 4) * RATE_HZ)
            audio[2 * RATE_HZ :][: len(call)] += 0.5 * call
        file = folder / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        sf.write(file, audio, RATE_HZ, subtype="PCM_16")
        end_s = datetime.strptime(f"{name[-15:]}{UTC_OFFSET}", "%Y%m%d_%H%M%S%z").timestamp() + LENGTH_S
        os.utime(file, (end_s, end_s))
    return folder


def check_results(folder: Path) -> None:
    """Check what the tutorial about a survey of three sites promises: a table for Raven, and the others."""
    sites = {"Wet_Meadow", "pond", "river"}
    with (folder / "results/raven.txt").open(newline="") as text:
        selections = [*csv.DictReader(text, delimiter="\t")]
    assert all(Path(line["Begin Path"]).is_file() for line in selections)
    assert {"Hyla cinerea", "Anaxyrus americanus"} <= {line["Scientific Name"] for line in selections}
    tracks = [track.read_text().splitlines() for track in (folder / "results/audacity").rglob("*.txt")]
    assert sum(map(len, tracks)) == len(selections)
    page = (folder / "night.html").read_text()
    assert "Night of 2025-04-13" in page
    assert "<svg" in page
    assert 'src="http' not in page
    with (folder / "occupancy/detections_Hyla_cinerea.csv").open(newline="") as text:
        history = {line.pop("site"): line for line in csv.DictReader(text)}
    assert history.keys() == sites
    assert history["pond"] == {"2025-04-12": "1", "2025-04-13": "0"}
    assert history["river"]["2025-04-13"] == "1"
