"""Small cards for short lives: every one new, with frogs in most files and the usual damage in some."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.demo.card import CLIPS

CALLERS = ("PSECRU_g008", "LITSYL_g076", "LITCLA_g113", "ACRCRE_g019", "ANAAME_g091", "LITSPH_g042", "HYLCIN_n00")
WRITTEN = datetime(2026, 4, 12, tzinfo=UTC).timestamp()
PAUSE_S = 6
"""After each call, so that it ends within its file."""


def write_card(folder: Path, files: int, seed: int) -> Path:
    """Write a card whose content no other seed has; the last file but one is cut off, the last one empty.

    Rows about the same content have the same ids, on whichever device: no two devices may have one card.
    """
    noise = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(files):
        call, rate_hz = sf.read(CLIPS / f"{CALLERS[(number + seed) % len(CALLERS)]}.ogg", dtype="float32")
        sound = np.concatenate([call, np.zeros(PAUSE_S * rate_hz, np.float32)])
        sound += noise.normal(0, 1e-3, len(sound)).astype(np.float32)
        sf.write(folder / f"BENCH_20260412_{number // 60:02}{number % 60:02}00.wav", sound, rate_hz, subtype="PCM_16")
    *_, cut_off, empty = sorted(folder.iterdir())
    with cut_off.open("r+b") as file:
        file.truncate(cut_off.stat().st_size // 2)
    empty.write_bytes(b"")
    for path in folder.iterdir():  # as on a card that was taken out long ago: nobody is writing to it any more
        os.utime(path, (WRITTEN, WRITTEN))
    return folder


def samples_of(card: Path) -> dict[str, int]:
    """Return how many samples each file of a card promises, by name; files without a header are left out."""
    return {path.name: _promised(path) for path in sorted(card.iterdir()) if path.stat().st_size}


def _promised(path: Path) -> int:
    header = path.read_bytes()[:44]
    assert header[36:40] == b"data"
    return int.from_bytes(header[40:44], "little") // int.from_bytes(header[32:34], "little")
