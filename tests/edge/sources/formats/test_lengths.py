"""All audio in a file is read, whatever its header promises, and nothing is missing that never was there."""

import io
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from waves import chunk, ds64, fmt, guano, noise, pcm16, riff

from anura_edge.audio import FloatArray, to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import NO_LENGTH, open_file
from anura_edge.sources.formats.extent import LengthStatus
from anura_edge.sources.formats.riff import parse_wav

RATE_HZ = 8_000
NOISE = noise(40_000)
DATA = pcm16(NOISE)
WHOLE, RECOVERED, TRUNCATED = LengthStatus.WHOLE, LengthStatus.RECOVERED, LengthStatus.TRUNCATED


@pytest.fixture
def open_bytes(tmp_path: Path) -> Callable[[bytes], AudioFile]:
    def write_and_open(content: bytes) -> AudioFile:
        (tmp_path / "a.wav").write_bytes(content)
        return open_file(tmp_path / "a.wav", "a")

    return write_and_open


def decode(file: AudioFile) -> FloatArray:
    return np.concatenate([to_float(part.samples) for part in file.chunks()])


def encode(kind: str, subtype: str = "PCM_16", samples: FloatArray = NOISE) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, RATE_HZ, format=kind, subtype=subtype)
    return file.getvalue()


SIZES = {
    "WAV": (b"data", 4, "<I", 0),
    "RF64": (b"ds64", 16, "<Q", 0),
    "W64": (b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a"), 16, "<Q", 24),
    "AIFF": (b"SSND", 4, ">I", 8),
    "CAF": (b"data", 4, ">q", 4),
    "AU": (b".snd", 8, ">I", 0),
}
"""By kind of file: name of a chunk, position, format and surplus of the size of the audio behind it."""


def with_size(content: bytes, kind: str, size: int) -> bytes:
    """Return a file whose header has another size of the audio."""
    name, at, number, surplus = SIZES[kind]
    position = content.index(name) + at
    changed = bytearray(content)
    struct.pack_into(number, changed, position, size + surplus)
    return bytes(changed)


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("size", [44, 2, 32_768, 79_998])
def test_header_that_promises_less_hides_no_audio(
    open_bytes: Callable[[bytes], AudioFile], kind: str, size: int
) -> None:
    """A size of 44, or the size at the last flush."""
    file = open_bytes(with_size(encode(kind), kind, size))
    assert (file.length, file.samples, file.recording.samples) == (RECOVERED, 40_000, 40_000)
    assert file.recording.warnings == (NO_LENGTH,)
    np.testing.assert_allclose(decode(file), NOISE, atol=2**-14)


@pytest.mark.parametrize("kind", SIZES)
def test_header_that_promises_more_is_truncated(open_bytes: Callable[[bytes], AudioFile], kind: str) -> None:
    file = open_bytes(with_size(encode(kind), kind, 120_000))
    assert (file.length, file.samples, file.recording.samples) == (TRUNCATED, 40_000, 60_000)


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("surplus", [8, 36, 44])
def test_size_that_counts_the_header_in_is_whole(
    open_bytes: Callable[[bytes], AudioFile], kind: str, surplus: int
) -> None:
    file = open_bytes(with_size(encode(kind), kind, 80_000 + surplus))
    assert (file.length, file.samples, file.recording.samples) == (WHOLE, 40_000, 40_000)


@pytest.mark.parametrize("behind", [guano(), chunk(b"LIST", b"INFO" + bytes(300)), chunk(b"own ", b"12345") + guano()])
@pytest.mark.parametrize("size", [None, 44, 79_000, 80_044, 80_036, 200_000])
def test_chunk_behind_the_audio_is_no_audio(
    open_bytes: Callable[[bytes], AudioFile], behind: bytes, size: int | None
) -> None:
    file = open_bytes(riff(fmt(), chunk(b"data", DATA, size), behind))
    if size is None or size in (80_044, 80_036) or not behind.startswith(b"own "):
        assert file.samples == 40_000
    assert (file.length == WHOLE) == (size in (None, 80_044, 80_036))
    if b"SM4" in behind:
        assert file.metadata.model == "SM4", "and is read"


def test_truncated_chunk_behind_the_audio_is_no_audio(open_bytes: Callable[[bytes], AudioFile]) -> None:
    file = open_bytes(riff(fmt(), chunk(b"data", DATA), guano(Note="x" * 500))[:-300])
    assert (file.length, file.samples) == (WHOLE, 40_000)


def test_size_modulo_four_gigabytes_hides_no_audio(tmp_path: Path) -> None:
    path, audio_bytes = tmp_path / "a.wav", 2**32 + 400_000
    path.write_bytes(riff(fmt(), chunk(b"data", DATA, audio_bytes % 2**32)))
    os.truncate(path, 44 + audio_bytes)
    with path.open("r+b") as file:
        file.seek(44 + 300_000_000)
        file.write(DATA)
        file.seek(0, os.SEEK_END)
        file.write(guano())
    with path.open("rb") as file:
        layout = parse_wav(file, path.stat().st_size)
    assert layout
    assert (layout.length, layout.samples, [*layout.texts]) == (RECOVERED, audio_bytes // 2, [b"guan"])


@pytest.mark.parametrize("kind", SIZES)
def test_file_that_ends_with_its_header_has_no_samples(tmp_path: Path, kind: str) -> None:
    """It may be cut anywhere near the first sample."""
    content = encode(kind, samples=noise(20))
    for size in range(1, len(content) - 40, 3):
        (tmp_path / "a.wav").write_bytes(content[:size])
        with suppress(UnreadableError):
            file = open_file(tmp_path / "a.wav", "a")
            assert (file.length, file.samples) == (TRUNCATED, 0)


def test_preallocated_zeros_behind_the_audio_are_no_audio(open_bytes: Callable[[bytes], AudioFile]) -> None:
    file = open_bytes(riff(fmt(), chunk(b"data", DATA)) + bytes(100_000))
    assert (file.length, file.samples) == (WHOLE, 40_000)


@pytest.mark.parametrize("subtype", ["ALAW", "IMA_ADPCM", "GSM610"])
def test_compressed_wav_that_promises_less_hides_no_audio(
    open_bytes: Callable[[bytes], AudioFile], subtype: str
) -> None:
    content = encode("WAV", subtype)
    whole = open_bytes(content).samples
    file = open_bytes(with_size(content, "WAV", 2_000))
    assert (file.length, file.samples, len(decode(file))) == (RECOVERED, whole, whole)


@pytest.mark.parametrize(("kind", "subtype"), [("AU", "ULAW"), ("AIFF", "ALAW"), ("CAF", "ULAW"), ("W64", "IMA_ADPCM")])
def test_companded_audio_that_is_promised_less_is_read_to_its_end(
    open_bytes: Callable[[bytes], AudioFile], kind: str, subtype: str
) -> None:
    content = encode(kind, subtype)
    (whole, _), file = sf.read(io.BytesIO(content), dtype="float32"), open_bytes(with_size(content, kind, 2_048))
    assert file.length == RECOVERED
    np.testing.assert_array_equal(decode(file)[: len(whole), 0], whole)


def claim(flac: bytes, samples: int) -> bytes:
    """Return a FLAC file whose header declares another number of samples."""
    content = bytearray(flac)
    content[21] = content[21] & 0xF0 | samples >> 32
    content[22:26] = (samples & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("samples", [22, 20_000, 39_999, 80_000, 2**36 - 1])
def test_flac_with_another_length_is_read_to_its_end(
    open_bytes: Callable[[bytes], AudioFile], subtype: str, samples: int
) -> None:
    file = open_bytes(claim(encode("FLAC", subtype), samples))
    assert (file.length, file.samples, file.recording.samples) == (RECOVERED, 40_000, 40_000)
    np.testing.assert_allclose(decode(file), NOISE, atol=2**-14)


def test_cut_flac_is_truncated(open_bytes: Callable[[bytes], AudioFile]) -> None:
    content = encode("FLAC")
    file = open_bytes(content[: len(content) // 2])
    assert (file.length, file.recording.samples) == (TRUNCATED, 40_000)
    assert 16_000 < file.samples < 20_000


def mp3_frames(content: bytes) -> list[bytes]:
    """Return the frames of an MP3 file of MPEG 2.5, layer III, at 8,000 Hz."""
    frames, at = [], 0
    while at < len(content):
        kbits = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[content[at + 2] >> 4]
        size = 72 * kbits * 1_000 // RATE_HZ + (content[at + 2] >> 1 & 1)
        frames.append(content[at : at + size])
        at += size
    return frames


def encode_mp3(mode: str) -> list[bytes]:
    """Return the frames of a minute that begins quietly."""
    file = io.BytesIO()
    loud = np.random.default_rng(0).normal(0, 0.2, (480_000, 1)) * np.linspace(0, 1, 480_000)[:, None] ** 8
    with sf.SoundFile(file, "w", RATE_HZ, 1, format="MP3", bitrate_mode=mode, compression_level=0.1) as encoder:
        encoder.write(loud.astype(np.float32))
    return mp3_frames(file.getvalue())


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT"])
@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)])
def test_mp3_without_a_count_is_read_to_its_end(
    open_bytes: Callable[[bytes], AudioFile], mode: str, tag: bytes
) -> None:
    """Its decoder estimates the length from the first frame."""
    _, *frames = encode_mp3(mode)
    file = open_bytes(b"".join(frames) + tag)
    assert file.length == WHOLE
    assert file.samples == file.recording.samples == len(decode(file)) == pytest.approx(480_000, abs=2_000)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_mp3_that_promises_less_is_read_to_its_end(open_bytes: Callable[[bytes], AudioFile], share: float) -> None:
    head, *frames = encode_mp3("VARIABLE")
    at = head.index(b"Xing") + 8
    count = int.from_bytes(head[at : at + 4], "big")
    head = head[:at] + round(share * count).to_bytes(4, "big") + head[at + 4 :]
    file = open_bytes(head + b"".join(frames))
    assert file.length == RECOVERED
    assert file.samples == len(decode(file)) == pytest.approx(480_000, abs=2_000)


def test_cut_mp3_is_truncated(open_bytes: Callable[[bytes], AudioFile]) -> None:
    frames = encode_mp3("VARIABLE")
    file = open_bytes(b"".join(frames[: len(frames) // 2]))
    assert (file.length, file.recording.samples) == (TRUNCATED, 480_000)
    assert file.samples == pytest.approx(240_000, abs=2_000)
    with pytest.raises(UnreadableError) as caught:
        decode(file)
    assert caught.value.reason == "truncated"


def test_ds64_that_promises_less_hides_no_audio(open_bytes: Callable[[bytes], AudioFile]) -> None:
    file = open_bytes(riff(ds64(100), fmt(), chunk(b"data", DATA, 0xFFFFFFFF), guano(), form=b"RF64"))
    assert (file.length, file.samples, file.metadata.model) == (RECOVERED, 40_000, "SM4")
