"""Audio behind the audio of a file is not passed over in silence, and damage costs only what it hides."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from waves import chunk, fmt, noise, pcm16, riff

from anura_edge.errors import UnreadableError
from anura_edge.sources.files.open_file import open_file

RATE_HZ, SAMPLES = 8_000, 80_000
SOUND = noise(SAMPLES).reshape(-1) / 4
DATA = chunk(b"data", pcm16(SOUND))
NOTE = chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"note"))


def encode(path: Path, **options: str) -> bytes:
    sf.write(path, SOUND, RATE_HZ, **options)
    return path.read_bytes()


def heard(path: Path) -> tuple[int, str]:
    """Return the samples that are heard of a file, and the reason why not all are."""
    samples, file = 0, open_file(path, path.name)
    try:
        for part in file.chunks():
            samples += len(part.samples)
    except UnreadableError as error:
        return samples, error.reason
    return samples, ""


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (riff(fmt(), DATA, DATA), SAMPLES),
        (riff(fmt(), DATA, NOTE, DATA), SAMPLES),
        (riff(fmt(), DATA, NOTE) + riff(fmt(), DATA, NOTE), SAMPLES),
        (riff(fmt(), DATA, NOTE), 0),
    ],
    ids=["two pieces", "a note between them", "an appended file", "one piece"],
)
def test_second_piece_of_audio_is_told_and_counted(tmp_path: Path, content: bytes, missing: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert heard(path) == (SAMPLES, "further_audio" if missing else "")
    assert (open_file(path, "a.wav").recording.samples or 0) >= SAMPLES + missing


def test_second_stream_of_an_ogg_file_is_told(tmp_path: Path) -> None:
    first, second = encode(tmp_path / "1.ogg"), encode(tmp_path / "2.ogg")
    (tmp_path / "both.ogg").write_bytes(first + second)
    assert heard(tmp_path / "1.ogg") == (SAMPLES, "")
    assert heard(tmp_path / "both.ogg") == (SAMPLES, "further_audio")


def test_second_stream_of_the_same_number_is_told(tmp_path: Path) -> None:
    (tmp_path / "twice.ogg").write_bytes(2 * encode(tmp_path / "1.ogg"))
    assert heard(tmp_path / "twice.ogg") == (SAMPLES, "further_audio")


def test_joined_mp3_files_are_heard_whole(tmp_path: Path) -> None:
    one = encode(tmp_path / "1.mp3")
    (tmp_path / "joined.mp3").write_bytes(one + b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + one)
    samples, reason = heard(tmp_path / "joined.mp3")
    assert (samples >= 2 * SAMPLES, reason) == (True, "")


@pytest.mark.parametrize("is_cut_out", [False, True], ids=["overwritten", "cut out"])
@pytest.mark.parametrize(
    ("name", "rate_hz"), [("a.flac", RATE_HZ), ("a.mp3", 16_000), ("a.ogg", RATE_HZ), ("a.opus", RATE_HZ)]
)
def test_compressed_audio_before_the_damage_is_heard(tmp_path: Path, name: str, rate_hz: int, is_cut_out: bool) -> None:
    """What follows the damage has no known time, so it is not heard."""
    sf.write(tmp_path / name, SOUND, rate_hz, **({"format": "OGG", "subtype": "OPUS"} if name == "a.opus" else {}))
    content = bytearray((tmp_path / name).read_bytes())
    whole = np.concatenate([part.samples for part in open_file(tmp_path / name, name).chunks()])
    middle = len(content) // 2
    content[middle : middle + 4096] = b"" if is_cut_out else bytes(4096)
    (tmp_path / name).write_bytes(content)
    parts = []

    def read() -> None:
        parts.extend(part.samples for part in open_file(tmp_path / name, name).chunks())

    with pytest.raises(UnreadableError) as error:
        read()
    assert error.value.reason == "broken_off"
    samples = np.concatenate(parts)
    assert SAMPLES / 4 < len(samples) < SAMPLES * 2 / 3
    assert np.array_equal(samples, whole[: len(samples)])
