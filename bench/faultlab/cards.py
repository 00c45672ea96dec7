"""Small cards with new content: most files contain a frog, and two are damaged."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.demo.card import CLIPS

SPECIES_CLIPS = ("PSECRU_g008", "LITSYL_g076", "LITCLA_g113", "ACRCRE_g019", "ANAAME_g091", "LITSPH_g042", "HYLCIN_n00")
WRITTEN = datetime(2026, 4, 12, tzinfo=UTC).timestamp()
PAUSE_S = 6
"""Silence after each call, so that the event ends within its file."""


def write_card(folder: Path, files: int, seed: int) -> Path:
    """Write a card. Each seed gives other content. The last file is empty, and the file before it is truncated.

    Rows about equal content have equal ids on all devices, so no two devices may have the same card.
    """
    noise = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(files):
        call, rate_hz = sf.read(CLIPS / f"{SPECIES_CLIPS[(number + seed) % len(SPECIES_CLIPS)]}.ogg", dtype="float32")
        sound = np.concatenate([call, np.zeros(PAUSE_S * rate_hz, np.float32)])
        sound += noise.normal(0, 1e-3, len(sound)).astype(np.float32)
        sf.write(folder / f"BENCH_20260412_{number // 60:02}{number % 60:02}00.wav", sound, rate_hz, subtype="PCM_16")
    *_, truncated, empty = sorted(folder.iterdir())
    with truncated.open("r+b") as file:
        file.truncate(truncated.stat().st_size // 2)
    empty.write_bytes(b"")
    for path in folder.iterdir():  # an old time: the device must not take the files for unfinished ones
        os.utime(path, (WRITTEN, WRITTEN))
    return folder


def samples_in_headers(card: Path) -> dict[str, int]:
    """Return the number of samples in the header of each file, by name. Files without a header are left out."""
    return {path.name: _samples_in_header(path) for path in sorted(card.iterdir()) if path.stat().st_size}


def _samples_in_header(path: Path) -> int:
    header = path.read_bytes()[:44]
    assert header[36:40] == b"data"
    return int.from_bytes(header[40:44], "little") // int.from_bytes(header[32:34], "little")
