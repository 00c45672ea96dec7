"""Write the demo card."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile as sf

from anura_edge.audio import FloatArray

CLIPS = Path(__file__).parent / "clips"

EXAMPLE_CLIP = CLIPS / "HYLVER_g051.ogg"
"""A gray treefrog, to try the explorer with."""

RATE_HZ = 24_000
"""Different from the model's rate, so that the demo resamples, like most cards."""

MINUTE_SAMPLES = 60 * RATE_HZ

UTC_OFFSET = "-05:00"
"""The recorder's clock is set to eastern standard time."""

RIGHT_GAIN = 10 ** (-12 / 20)
"""The gain of the second microphone is 12 dB lower, as is common for Song Meters."""

NOISE_RMS = 10 ** (-62 / 20)
"""Background noise of -62 dBFS."""


@dataclass(frozen=True, slots=True)
class ClipPlacement:
    """A clip at a position in a recording."""

    clip: str
    at_s: float
    gain_db: float = -6.0


CARD: dict[str, tuple[ClipPlacement, ...]] = {
    "20250412_203000": (
        ClipPlacement("PSECRU_g008", 6),
        ClipPlacement("LITSYL_g076", 24),
        ClipPlacement("PSECRU_g008", 44, -18),
    ),
    "20250412_210000": (
        ClipPlacement("LITCLA_g113", 8),
        ClipPlacement("ACRCRE_g019", 32),
        ClipPlacement("Cricket", 48, -20),
    ),
    "20250412_213000": (ClipPlacement("HYLVER_g051", 10), ClipPlacement("ANAAME_g091", 36)),
    "20250412_220000": (ClipPlacement("HYLCIN_n00", 12), ClipPlacement("GASCAR_g022", 40)),
    "20250412_223000": (ClipPlacement("Rain", 5), ClipPlacement("Thunder", 12), ClipPlacement("Coyotes", 40, -20)),
    "20250412_230000": (ClipPlacement("LITSPH_g042", 15), ClipPlacement("SCAHOL_g056", 38)),
}
"""The clips of each one-minute recording, by start time. The one at 22:30 has no frogs."""

EMPTY = "20250412_233000"
"""The last file has 0 bytes: Song Meters write such files when the battery is low."""


def write_card(folder: Path) -> Path:
    """Write the card, with the same bytes and modification times every time. Return its folder of recordings."""
    data = folder / "Data"
    data.mkdir(parents=True, exist_ok=True)
    for number, (stamp, placements) in enumerate(CARD.items()):
        mono = _minute(placements, np.random.default_rng(number))
        sf.write(data / f"S4DEMO_{stamp}.wav", np.stack([mono, RIGHT_GAIN * mono], axis=1), RATE_HZ, subtype="PCM_16")
    if not (empty := data / f"S4DEMO_{EMPTY}.wav").exists():
        empty.touch()
    for path in data.iterdir():
        modified_s = datetime.strptime(f"{path.stem}{UTC_OFFSET}", "S4DEMO_%Y%m%d_%H%M%S%z").timestamp() + 60
        os.utime(path, (modified_s, modified_s))
    return data


def _minute(placements: tuple[ClipPlacement, ...], noise: np.random.Generator) -> FloatArray:
    minute = noise.normal(0, NOISE_RMS, MINUTE_SAMPLES).astype(np.float32)
    for placement in placements:
        clip, _ = sf.read(CLIPS / f"{placement.clip}.ogg", dtype="float32")
        start = round(placement.at_s * RATE_HZ)
        minute[start : start + len(clip)] += clip * np.float32(10 ** (placement.gain_db / 20))
    return minute
