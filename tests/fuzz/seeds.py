"""Writes the seeds for fuzzing: `python tests/fuzz/seeds.py CORPUS`. One file for each known layout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from waves import chunk, ds64, extensible, fmt, guano, info, noise, pcm16, riff, wamd

DATA = chunk(b"data", pcm16(noise(50)))
CUT = chunk(b"data", pcm16(noise(50)), 0)
COMMENT = (
    "Recorded at 20:26:15 03/09/2024 (UTC+10:30) by AudioMoth 24E144055E080032 at medium gain while battery was 4.2V "
    "and temperature was 19.3C. Recording stopped due to SD card write error."
)
SUMMARY = b"""DATE,TIME,LAT,,LON,,STEP,POWER(V),TEMP(C),#FILES
2021-Sep-21,17:01:01,22.90000,S,47.06000,W, 0.0,6.4,13.75,0
"""

SEEDS = {
    "plain": riff(fmt(), DATA),
    "stereo24": riff(fmt(2, bits=24), chunk(b"data", bytes(60))),
    "float": riff(fmt(tag=3, bits=32), chunk(b"data", bytes(40))),
    "extensible": riff(extensible(), DATA),
    "rf64": riff(ds64(100), fmt(), chunk(b"data", bytes(100), 0xFFFFFFFF), form=b"RF64"),
    "audiomoth": riff(fmt(), info(COMMENT), DATA, guano(OAD_Battery="4.2")),
    "audiomoth_cut": riff(fmt(), info(COMMENT), CUT),
    "songmeter": riff(fmt(2), wamd(p000D=riff(fmt(), DATA)), DATA, guano(Loc_Position="-22.9 -47.06")),
    "adpcm": riff(fmt(tag=0x11, bits=4, more=b"\x02\x00\xf9\x03"), DATA),
    "summary": SUMMARY,
    "name": b"S4A03895_20190522_223000_010+1000 [27.2819 90.1361]",
}


def write(folder: Path) -> None:
    """Write every seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SEEDS.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
