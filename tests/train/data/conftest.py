"""AnuraSet as it lies on a disk after unpacking, with seconds instead of minutes, and its oddities."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE_HZ = 22_050

SPECIES = ("SPHSUR", "BOAFAB", "LEPFUS")

STEMS = [
    *(f"INCT4_201911{day:02}_{hour}0000" for day in range(1, 6) for hour in (19, 23)),
    *(f"INCT17_201911{day:02}_040001" for day in range(1, 10)),
    "INCT20955_20191123_041500_000",
]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Twenty stereo recordings of 6 s, one of 4.5 s; boxes at whole milliseconds, some where nothing calls."""
    root, rng = tmp_path / "raw", np.random.default_rng(0)
    weak = ["MONITORING_SITE,AUDIO_FILE_ID," + ",".join(SPECIES)]
    for index, stem in enumerate(STEMS):
        site = stem.split("_")[0]
        duration_s = 4.5 if index == 3 else 6.0
        noise = rng.normal(0, 0.02, (round(duration_s * RATE_HZ), 2)) * [1, 2]
        (root / "raw_data" / site).mkdir(parents=True, exist_ok=True)
        soundfile.write(root / "raw_data" / site / f"{stem}.wav", noise, RATE_HZ)
        present = [code for position, code in enumerate(SPECIES) if index % (position + 2) == 0]
        lines = [_line(rng, code, duration_s) for code in present for _ in range(rng.integers(1, 3))]
        track = root / "strong_labels/strong_labels" / site / f"{stem}.txt"
        track.parent.mkdir(parents=True, exist_ok=True)
        track.write_text("".join(lines))
        long = stem.replace("INCT4_", "INCT04_")  # the weak labels name this site in their own way
        weak.append(f"{long.split('_')[0]},{long}," + ",".join(str(2 * (code in present)) for code in SPECIES))
    (root / "weak_labels.csv").write_text("\n".join(weak) + "\n")
    return root


def _line(rng: np.random.Generator, code: str, duration_s: float) -> str:
    onset_ms = int(rng.integers(0, duration_s * 1_000 - 100))
    offset_ms = int(rng.integers(onset_ms + 1, duration_s * 1_000))
    return f"{onset_ms / 1_000:.3f}\t{offset_ms / 1_000:.3f}\t{code}_{rng.choice(list('LMH'))}\n"
