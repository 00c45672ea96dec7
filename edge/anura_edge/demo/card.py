"""Writes the demo card."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.audio import FloatArray

CLIPS = Path(__file__).parent / "clips"

RATE_HZ = 24_000
"""Not the model's rate, so that the demo resamples, as most cards need."""

MINUTE = 60 * RATE_HZ

UTC_OFFSET = "-05:00"
"""The recorder's clock stands at eastern standard time."""

RIGHT_GAIN = 10 ** (-12 / 20)
"""The second microphone is set 12 dB lower, as the two channels of a Song Meter often are."""

NOISE_RMS = 10 ** (-62 / 20)
"""A faint hiss under everything, -62 dBFS."""


@dataclass(frozen=True, slots=True)
class Part:
    """A clip in a recording."""

    clip: str
    at_s: float
    gain_db: float = -6.0


CARD: dict[str, tuple[Part, ...]] = {
    "20250412_203000": (Part("PSECRU_g008", 6), Part("LITSYL_g076", 24), Part("PSECRU_g008", 44, -18)),
    "20250412_210000": (Part("LITCLA_g113", 8), Part("ACRCRE_g019", 32), Part("Cricket", 48, -20)),
    "20250412_213000": (Part("HYLVER_g051", 10), Part("ANAAME_g091", 36)),
    "20250412_220000": (Part("HYLCIN_n00", 12), Part("GASCAR_g022", 40)),
    "20250412_223000": (Part("Rain", 5), Part("Thunder", 12), Part("Coyotes", 40, -20)),
    "20250412_230000": (Part("LITSPH_g042", 15), Part("SCAHOL_g056", 38)),
}
"""What is in each minute; the one at 22:30 has no frogs."""

EMPTY = "20250412_233000"
"""The last file has 0 bytes: Song Meters leave such files when the battery runs low."""


def write_card(folder: Path) -> Path:
    """Write the card's files, the same bytes and times of change every time; return its audio folder."""
    data = folder / "Data"
    data.mkdir(parents=True, exist_ok=True)
    for number, (stamp, parts) in enumerate(CARD.items()):
        mono = _minute(parts, np.random.default_rng(number))
        sf.write(data / f"S4DEMO_{stamp}.wav", np.stack([mono, RIGHT_GAIN * mono], axis=1), RATE_HZ, subtype="PCM_16")
    if not (empty := data / f"S4DEMO_{EMPTY}.wav").exists():
        empty.touch()
    for path in data.iterdir():
        changed = datetime.strptime(f"{path.stem}{UTC_OFFSET}", "S4DEMO_%Y%m%d_%H%M%S%z").timestamp() + 60
        os.utime(path, (changed, changed))
    return data


def _minute(parts: tuple[Part, ...], noise: np.random.Generator) -> FloatArray:
    minute = noise.normal(0, NOISE_RMS, MINUTE).astype(np.float32)
    for part in parts:
        clip, _ = sf.read(CLIPS / f"{part.clip}.ogg", dtype="float32")
        at = round(part.at_s * RATE_HZ)
        minute[at : at + len(clip)] += clip * np.float32(10 ** (part.gain_db / 20))
    return minute
