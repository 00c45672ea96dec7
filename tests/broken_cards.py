"""Synthesises broken files and cards as recorders leave them, with the expected result of each.

The numbers are those of ecoacoustics/known-problems. `FILES` are single files, `CARDS` whole cards.
"""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile as sf
from waves import RATE_HZ, chunk, ds64, extensible, fmt, guano, info, noise, pcm16, riff, wamd

SECONDS = 2
SOUND = pcm16(noise(SECONDS * RATE_HZ))
DATA = chunk(b"data", SOUND)
STAMP = "20190522_223000"
NAME = f"S4A03895_{STAMP}.wav"
COMMENT = "Recorded at {} 22/05/2019 (UTC{}) by AudioMoth 24E144055E080032 at medium gain while battery was {}V."
CUT_SHORT = COMMENT.format("22:30:00", "-3", "3.1") + " Recording stopped due to SD card write error."


@dataclass(frozen=True)
class BrokenFile:
    """A file, and the expected result."""

    content: bytes
    state: str
    seconds: float = 0.0
    """Audio in the file."""
    missing_s: float = 0.0
    name: str = NAME
    warning: str = ""
    """Text that a warning must contain."""


def wav(*more: bytes) -> bytes:
    return riff(fmt(), *more)


def whole(content: bytes, name: str = NAME, warning: str = "") -> BrokenFile:
    return BrokenFile(content, "whole", SECONDS, name=name, warning=warning)


def recovered(content: bytes, seconds: float = SECONDS) -> BrokenFile:
    return BrokenFile(content, "recovered", seconds, warning="no length")


def truncated(content: bytes, seconds: float, missing_s: float) -> BrokenFile:
    return BrokenFile(content, "truncated", seconds, missing_s)


def _flac_without_length() -> bytes:
    """Return a FLAC file as a recorder leaves it that cannot write the header at the end."""
    file = io.BytesIO()
    sf.write(file, noise(SECONDS * RATE_HZ), RATE_HZ, format="FLAC")
    content = bytearray(file.getvalue())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def random_bytes(size: int) -> bytes:
    return np.random.default_rng(4).integers(0, 256, size, dtype=np.uint8).tobytes()


FILES = {
    # Not a recording.
    "WA001 zero bytes": BrokenFile(b"", "empty"),
    "WA002 a memory page of NUL": BrokenFile(bytes(131_072), "nul_filled"),
    "WA004 noise without a header": BrokenFile(random_bytes(500_000), "no_header"),
    "OA002 a header and nothing else": BrokenFile(wav(chunk(b"data", b"")), "no_samples"),
    "OA002 half a header": BrokenFile(wav()[:20], "bad_header"),
    "a picture": BrokenFile(b"\x89PNG\r\n\x1a\n" + random_bytes(9_000), "not_audio"),
    "a packed file": BrokenFile(gzip.compress(random_bytes(9_000)), "not_audio"),
    "a few letters": BrokenFile(b"hello\n", "not_audio"),
    "another RIFF": BrokenFile(b"RIFF\x04\0\0\0AVI " + bytes(5_000), "not_audio"),
    "compressed by a Song Meter": BrokenFile(b"anything", "proprietary", name=f"S4A03895_{STAMP}.w4v"),
    "compressed by an older one": BrokenFile(b"anything", "proprietary", name=f"SM2_{STAMP}.wac"),
    # Missing or wrong lengths.
    "AudioMoth power cut": recovered(riff(fmt(), info(CUT_SHORT), chunk(b"data", SOUND, 0))),
    "data 0, RIFF 0": recovered(riff(fmt(), chunk(b"data", SOUND, 0), size=0)),
    "data 0, half a sample at the end": recovered(wav(chunk(b"data", SOUND + b"\1", 0, pad=False))),
    "data 0xFFFFFFFF": recovered(riff(fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), size=0xFFFFFFFF)),
    "SoX to a pipe": recovered(wav(chunk(b"data", SOUND, 0x7FFFF000))),
    "arecord killed": recovered(wav(chunk(b"data", SOUND, 0x80000000))),
    "RF64 without its sizes": recovered(riff(fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), form=b"RF64")),
    "RF64 with a size of nonsense": recovered(
        riff(ds64(2**63), fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), form=b"RF64")
    ),
    "cut in the middle": truncated(wav(DATA)[: 44 + len(SOUND) // 2], SECONDS / 2, SECONDS / 2),
    "cut within a sample": truncated(wav(DATA)[: 44 + len(SOUND) // 2 + 1], SECONDS / 2, SECONDS / 2),
    "cut before the first sample": truncated(wav(DATA)[:45], 0, SECONDS),
    "RF64 cut": truncated(
        riff(ds64(2 * len(SOUND)), fmt(), chunk(b"data", SOUND, 0xFFFFFFFF), form=b"RF64"), SECONDS, SECONDS
    ),
    "only RIFF is wrong": whole(riff(fmt(), DATA, size=17)),
    "RIFF 0xFFFFFFFF": whole(riff(fmt(), DATA, size=0xFFFFFFFF)),
    "FLAC without a length": BrokenFile(
        _flac_without_length(), "recovered", SECONDS, name=f"S4A03895_{STAMP}.flac", warning="no length"
    ),
    # Chunks in unusual places.
    "odd chunk without its pad byte": whole(riff(fmt(), chunk(b"odd ", b"123", pad=False), DATA)),
    "GUANO of odd length at the end": whole(riff(fmt(), DATA, chunk(b"guan", b"GUANO|Version:1.0", pad=False))),
    "GUANO line without a colon": whole(riff(fmt(), DATA, guano(Note="x") + chunk(b"junk", b"x"))),
    "voice note with a WAV in it": whole(riff(fmt(), wamd(p000D=wav(chunk(b"data", b"voice"))), DATA)),
    "wamd of another version": whole(riff(fmt(), wamd(p0000=b"\x07\0"), DATA)),
    "wamd that leads out of itself": whole(riff(fmt(), chunk(b"wamd", b"\0\0\xff\xff\xff\xff" + bytes(8)), DATA)),
    "extensible": whole(riff(extensible(), DATA)),
    "zeros behind the audio": whole(riff(fmt(), DATA, bytes(5_000))),
    "chunk that leads out of the file": BrokenFile(riff(fmt(), chunk(b"LIST", b"", 2**31), DATA), "bad_header"),
    "audio before its format": whole(riff(DATA, fmt())),
    "no format": BrokenFile(riff(DATA), "bad_header"),
    "short format": BrokenFile(riff(chunk(b"fmt ", b"\1\0\1\0"), DATA), "bad_header"),
    "ten thousand chunks": BrokenFile(riff(fmt(), *[chunk(b"JUNK", b"")] * 10_000, DATA), "bad_header"),
    # Impossible formats.
    "rate 2^31 - 1": BrokenFile(riff(fmt(rate_hz=2**31 - 1), DATA), "bad_rate"),
    "rate 0": BrokenFile(riff(fmt(rate_hz=0), DATA), "bad_rate"),
    "no channel": BrokenFile(riff(fmt(0), DATA), "bad_channels"),
    "65,535 channels": BrokenFile(riff(fmt(65_535, bits=8), chunk(b"data", SOUND * 5)), "bad_channels"),
    "unknown encoding": BrokenFile(riff(fmt(tag=0x9999), DATA), "not_audio"),
    # Wrong clocks.
    "triggered, silence left out": whole(wav(DATA), name=f"{STAMP}T.WAV", warning="quiet parts"),
    "OAD004 header an hour ahead": whole(
        riff(fmt(), info(COMMENT.format("23:30:00", "+9:30", "4.2")), DATA),
        name=f"{STAMP}.WAV",
        warning="the name is used",
    ),
    "header of another day": whole(riff(fmt(), wamd(p0005=b"2019-05-21 22:30:00-03:00"), DATA), warning="wamd is used"),
    "GUANO and wamd disagree": whole(
        riff(fmt(), wamd(p0005=b"2018-05-22 22:30:00-03:00"), DATA, guano()), warning="GUANO is used"
    ),
    "OA003 hexadecimal name": whole(wav(DATA), name="5CE5C9A8.WAV"),
    "no clock": whole(wav(DATA), name="00000000.WAV", warning="was never set"),
    "a clock reset to 2000": whole(wav(DATA), name="EMER_20000101_000553.wav", warning="was never set"),
    "OE001 no date": whole(wav(DATA), name="frog.wav"),
}


def names(start: datetime, every_s: int, count: int, prefix: str = "S4A03895_") -> list[str]:
    """Return names as a Song Meter writes them."""
    return [f"{prefix}{start + timedelta(seconds=n * every_s):%Y%m%d_%H%M%S}.wav" for n in range(count)]


def short(n: int, seconds: float = SECONDS) -> bytes:
    """Return a valid recording. Each `n` has other content."""
    return wav(chunk(b"data", pcm16(noise(round(seconds * RATE_HZ), seed=n))))


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


EVENING = datetime(2019, 5, 22, 18)


def _night(count: int = 12) -> dict[str, bytes]:
    return {name: short(n) for n, name in enumerate(names(EVENING, 900, count))}


def good(folder: Path) -> None:
    """Twelve recordings, one every 15 min."""
    _write(folder, _night())


def wa001(folder: Path) -> None:
    """Every third file has 0 bytes."""
    _write(folder, {name: b"" if n % 3 == 2 else content for n, (name, content) in enumerate(_night().items())})


def wa002(folder: Path) -> None:
    """Pages of NUL between valid files."""
    _write(folder, {name: bytes(131_072) if 3 < n < 8 else x for n, (name, x) in enumerate(_night().items())})


def wa003(folder: Path) -> None:
    """Each recording lasts longer than its slot and overlaps the next."""
    _write(folder, {name: short(n, 10.5) for n, name in enumerate(names(EVENING, 8, 6))})


def wa004(folder: Path) -> None:
    """Files of full size that contain noise and no header."""
    _write(folder, {name: random_bytes(40_000) if n > 9 else x for n, (name, x) in enumerate(_night().items())})


def battery_died(folder: Path) -> None:
    """AudioMoth with an empty battery: the last recording is cut (OA002)."""
    files = {}
    for n, volts in enumerate(("4.2", "3.9", "3.6", "3.1")):
        clock = f"22:{n}0:00"
        comment = COMMENT.format(clock, "-3", volts) + (
            " Recording stopped due to SD card write error." if n == 3 else ""
        )
        content = pcm16(noise(SECONDS * RATE_HZ, seed=n))
        files[f"20190522_22{n}000.WAV"] = riff(fmt(), info(comment), chunk(b"data", content, 0 if n == 3 else None))
    _write(folder, files | {"20190522_224000.WAV": b""})


def hole(folder: Path) -> None:
    """Three recordings are missing in the middle."""
    night = _night()
    _write(folder, {name: content for n, (name, content) in enumerate(night.items()) if n not in (5, 6, 7)})


def nights_only(folder: Path) -> None:
    """Four nights of six recordings; the days are no gaps, but one recording of the third night is missing."""
    for day in range(4):
        files = {name: short(10 * day + n) for n, name in enumerate(names(EVENING + timedelta(days=day), 3_600, 6))}
        _write(folder, {name: content for n, (name, content) in enumerate(files.items()) if (day, n) != (2, 3)})


def clock_fell_back(folder: Path) -> None:
    """The clock was reset at the third recording; names contain only a number."""
    clocks = ("22:00:00", "22:10:00", "01:00:00", "01:10:00")
    comments = [info(COMMENT.format(clock, "", "4.2")) for clock in clocks]
    _write(folder, {f"REC{n:04}.WAV": riff(fmt(), comments[n], chunk(b"data", SOUND[n:-4])) for n in range(4)})


def ahead(folder: Path) -> None:
    """A clock that was set to another century."""
    _write(folder, {"S4A03895_20990522_223000.wav": short(1)})


def copies(folder: Path) -> None:
    """One recording under three names."""
    _write(folder, {"a/" + NAME: short(1), "b/" + NAME: short(1), "copy of it.wav": short(1), "frog.wav": short(2)})


def dead_microphone(folder: Path) -> None:
    """The left channel is silent, the right one at full scale."""
    frames = np.zeros((SECONDS * RATE_HZ, 2), "<i2")
    frames[:, 1] = np.where(np.arange(len(frames)) % 20 < 10, 32_767, -32_768)
    _write(folder, {NAME: riff(fmt(2), chunk(b"data", frames.tobytes()))})


SM4_HEADER = b"DATE,TIME,LAT,,LON,,POWER(V),TEMP(C),#FILES,MIC0 TYPE,MIC1 TYPE\n"
SM4_ROW = b"2019-May-%02d,%02d:00:00,22.90000,S,47.06000,W,%.1f,%.2f,%d,IN,IN\n"


def two_slots(folder: Path) -> None:
    """One summary per memory slot, with a power cut in the second one."""
    one = SM4_HEADER + b"".join(SM4_ROW % (22, hour, 6.4 - hour / 10, 10 + hour, hour) for hour in range(10))
    other = (
        SM4_HEADER + SM4_ROW % (22, 10, 5.3, 8, 11) + b"\xb0garbage\n\n" + SM4_HEADER + SM4_ROW % (22, 20, 6.3, 25, 12)
    )
    _write(folder, {"S4A03895_A_Summary.txt": one, "S4A03895_B_Summary.txt": other, "Data/" + NAME: short(1)})


CARDS: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (
        good,
        wa001,
        wa002,
        wa003,
        wa004,
        battery_died,
        hole,
        nights_only,
        clock_fell_back,
        ahead,
        copies,
        dead_microphone,
        two_slots,
    )
}
