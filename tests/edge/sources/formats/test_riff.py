"""The audio in a WAV file is found with any header, and missing audio is counted."""

import io
import os
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import example, given
from hypothesis import strategies as st
from waves import chunk, ds64, extensible, fmt, guano, info, noise, pcm16, riff, wamd

from anura_edge.audio import to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.formats.chunks import MAX_CHUNKS, MAX_TEXT_BYTES
from anura_edge.sources.formats.extent import LengthStatus
from anura_edge.sources.formats.layout import AudioLayout
from anura_edge.sources.formats.riff import parse_wav

NOISE = noise(1_000)
PCM = pcm16(NOISE)


def read(content: bytes) -> AudioLayout:
    wav = parse_wav(io.BytesIO(content), len(content))
    assert wav
    return wav


def length_of(content: bytes) -> tuple[LengthStatus, int, int]:
    wav = read(content)
    return wav.length, wav.samples, wav.declared


def audio(content: bytes) -> bytes:
    wav = read(content)
    return content[wav.extent.offset :][: wav.samples * wav.sample_bytes]


@pytest.mark.parametrize(
    "content",
    [
        riff(fmt(), chunk(b"data", PCM)),
        riff(fmt(), chunk(b"data", PCM), size=0),
        riff(fmt(), chunk(b"data", PCM), size=0xFFFFFFFF),
        riff(extensible(), chunk(b"data", PCM)),
        riff(ds64(2_000), fmt(), chunk(b"data", PCM, 0xFFFFFFFF), form=b"RF64"),
        riff(ds64(2_000), fmt(), chunk(b"data", PCM, 0xFFFFFFFF), guano(), form=b"BW64"),
        riff(fmt(), info("Recorded"), chunk(b"data", PCM), chunk(b"guan", b"x" * 255, pad=False)),
        riff(chunk(b"JUNK", b"data" * 7), fmt(), chunk(b"fact", b"1234"), chunk(b"data", PCM), guano()),
        riff(fmt(), chunk(b"odd ", b"123"), chunk(b"data", PCM)),
        riff(fmt(), chunk(b"odd ", b"123", pad=False), chunk(b"data", PCM)),
        riff(fmt(), wamd(p000D=riff(fmt(2), chunk(b"data", b"voice note!!"))), chunk(b"data", PCM)),
        riff(fmt(), chunk(b"data", PCM), b"\0" * 500),
        riff(fmt(), chunk(b"data", PCM + b"\0", pad=False)),
    ],
)
def test_complete_audio_is_found_among_any_chunks(content: bytes) -> None:
    assert length_of(content) == (LengthStatus.WHOLE, 1_000, 1_000)
    assert audio(content) == PCM


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFFDB, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
@pytest.mark.parametrize("whole", [0, 0xFFFFFFFF, 36, None])
def test_missing_length_is_taken_from_the_file(size: int, whole: int | None) -> None:
    content = riff(fmt(), info("Recording stopped due to SD card write error."), chunk(b"data", PCM, size), size=whole)
    assert length_of(content) == (LengthStatus.RECOVERED, 1_000, 1_000)
    assert audio(content) == PCM


def test_length_zero_before_other_chunks_is_valid() -> None:
    assert length_of(riff(fmt(), chunk(b"data", b""), guano(), wamd())) == (LengthStatus.WHOLE, 0, 0)
    assert length_of(riff(fmt(), chunk(b"data", b""), chunk(b"guan", b"x" * 255, pad=False))) == (
        LengthStatus.WHOLE,
        0,
        0,
    )


def test_declared_length_beyond_the_file_is_truncated() -> None:
    assert length_of(riff(fmt(), chunk(b"data", PCM, 5_000))) == (LengthStatus.TRUNCATED, 1_000, 2_500)
    assert length_of(riff(ds64(2**33), fmt(), chunk(b"data", PCM, 0xFFFFFFFF), form=b"RF64")) == (
        LengthStatus.TRUNCATED,
        1_000,
        2**32,
    )
    assert length_of(riff(ds64(2**63), fmt(), chunk(b"data", PCM, 0xFFFFFFFF), form=b"RF64")) == (
        LengthStatus.RECOVERED,
        1_000,
        1_000,
    )


@given(st.integers(0, 2_100), st.integers(1, 4), st.sampled_from([8, 16, 24, 32]))
@example(cut=1_999, channels=1, bits=16)
def test_file_cut_anywhere_has_every_complete_sample(cut: int, channels: int, bits: int) -> None:
    content = riff(fmt(channels, bits=bits), chunk(b"data", PCM))[: 44 + min(cut, len(PCM))]
    block = channels * bits // 8
    length, samples, declared = length_of(content)
    assert (samples, declared) == (min(cut, len(PCM)) // block, len(PCM) // block)
    assert (length == LengthStatus.WHOLE) == (samples == declared)


@pytest.mark.parametrize(
    "content",
    [
        riff(),
        riff(fmt()),
        riff(chunk(b"data", PCM)),
        riff(chunk(b"fmt ", b"short"), chunk(b"data", PCM)),
        riff(fmt(), chunk(b"LIST", b"INFO", 0xFFFFFFFF), chunk(b"data", PCM)),
        riff(fmt(), *[chunk(b"JUNK", b"")] * MAX_CHUNKS, chunk(b"data", PCM)),
        riff(fmt(), chunk(b"LIST", chunk(b"data", PCM))),
    ],
)
def test_header_without_audio_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(content)
    assert caught.value.reason == "bad_header"


@pytest.mark.parametrize("content", [b"", b"R", b"RIFF", b"RIFF\0\0\0\0AVI ", b"RIFX\0\0\0\0AVI ", b"fLaC" * 9])
def test_other_format_is_no_wav(content: bytes) -> None:
    assert parse_wav(io.BytesIO(content), len(content)) is None


def test_first_metadata_chunk_of_each_kind_is_read_up_to_a_limit() -> None:
    long = chunk(b"LIST", b"x" * (MAX_TEXT_BYTES + 10))
    texts = read(riff(fmt(), long, chunk(b"LIST", b"second"), chunk(b"data", PCM), chunk(b"guan", b"abc"))).texts
    assert texts == {b"LIST": b"x" * MAX_TEXT_BYTES, b"guan": b"abc"}


KINDS = st.sampled_from([b"fmt ", b"data", b"LIST", b"guan", b"wamd", b"ds64", b"fact", b"JUNK", b"\0\0\0\0", b"RIFF"])
SIZES = st.none() | st.integers(0, 200) | st.sampled_from([0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 2**31, 2**32 - 9])
FORMS = st.builds(
    fmt,
    channels=st.sampled_from([0, 1, 2, 64, 65, 65_535]),
    rate_hz=st.sampled_from([0, 1, 8_000, 2**31 - 1, 2**32 - 1]),
    bits=st.sampled_from([0, 1, 8, 12, 16, 24, 32, 64, 65_528]),
    tag=st.sampled_from([0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x55, 0xFFFE]),
    more=st.binary(max_size=40),
)
CHUNKS = st.builds(chunk, KINDS, st.binary(max_size=300), SIZES, pad=st.booleans())
WAVES = st.builds(
    lambda first, form, second, data, last, size, kind: riff(*first, form, *second, data, *last, size=size, form=kind),
    st.lists(CHUNKS, max_size=2),
    FORMS,
    st.lists(CHUNKS, max_size=2),
    st.builds(chunk, st.just(b"data"), st.binary(max_size=2_000), SIZES),
    st.lists(CHUNKS, max_size=3),
    SIZES,
    st.sampled_from([b"RIFF", b"RF64", b"BW64"]),
)


@given(WAVES | st.binary(max_size=400) | st.builds(lambda wav, end: wav[:end], WAVES, st.integers(0, 400)))
def test_no_header_leads_outside_the_file(content: bytes) -> None:
    with suppress(UnreadableError):
        if wav := parse_wav(io.BytesIO(content), len(content)):
            assert 0 <= wav.extent.offset <= len(content)
            assert wav.extent.offset + wav.samples * wav.sample_bytes <= len(content)
            assert wav.samples <= wav.declared
            is_short, is_truncated = wav.samples < wav.declared, wav.length == LengthStatus.TRUNCATED
            assert is_short or not is_truncated
            assert not is_short or is_truncated or wav.has_further_audio


@given(WAVES)
def test_any_wav_is_decoded_or_has_a_reason(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "wav.wav"
    path.write_bytes(content)
    with suppress(UnreadableError):
        decoded = sum(len(part.samples) for part in open_file(path, "wav").chunks())
        assert decoded == open_file(path, "wav").recording.samples


def test_memory_for_a_hostile_header_is_bounded(tmp_path: Path) -> None:
    """Every size is as large as possible, in a file of one gigabyte."""
    path = tmp_path / "a.wav"
    kinds = [b"guan", b"wamd", b"LIST", b"JUNK"]
    with path.open("wb") as file:
        file.write(riff(fmt(), size=0xFFFFFFFF))
        for kind in kinds:
            file.write(chunk(kind, b"", 250_000_000))
            file.seek(250_000_000, os.SEEK_CUR)
        file.write(chunk(b"data", PCM, 0xFFFFFFFF))
    tracemalloc.start()
    file = open_file(path, "a")
    assert sum(len(part.samples) for part in file.chunks()) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


@pytest.mark.parametrize(("tag", "bits"), [(1, 16), (1, 24), (3, 64)])
def test_memory_for_any_rate_and_channels_is_bounded(tmp_path: Path, tag: int, bits: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(64, 500_000, bits, tag), chunk(b"data", b"", 0)))
    os.truncate(path, 500_000_000)
    tracemalloc.start()
    assert len(next(open_file(path, "a").chunks()).samples) == 2**22 // 64
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def decode(file: AudioFile) -> np.ndarray:
    return np.concatenate([to_float(part.samples) for part in file.chunks()])


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
@pytest.mark.parametrize("container", ["WAV", "RF64"])
def test_valid_file_decodes_as_with_libsndfile(tmp_path: Path, subtype: str, container: str) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, noise(30_000, 2), 48_000, subtype=subtype, format=container)
    file = open_file(path, "a")
    assert file.length == LengthStatus.WHOLE
    np.testing.assert_array_equal(decode(file), sf.read(path, dtype="float32", always_2d=True)[0])


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_encodings_are_decoded_by_libsndfile(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, noise(30_000), 8_000, subtype=subtype)
    np.testing.assert_array_equal(decode(open_file(path, "a")), sf.read(path, dtype="float32", always_2d=True)[0])


@pytest.mark.parametrize("subtype", ["ALAW", "ULAW", "IMA_ADPCM", "MS_ADPCM"])
def test_truncation_of_compressed_audio_is_known(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, noise(30_000), 8_000, subtype=subtype)
    whole = open_file(path, "a").recording.samples
    os.truncate(path, path.stat().st_size // 2)
    file = open_file(path, "a")
    assert file.length == LengthStatus.TRUNCATED
    assert file.recording.samples == pytest.approx(whole, rel=0.05)
    with pytest.raises(UnreadableError) as caught:
        decode(file)
    assert caught.value.reason == "truncated"


def test_file_truncated_during_decoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), chunk(b"data", pcm16(noise(200_000)))))
    parts = open_file(path, "a").chunks()
    assert len(next(parts).samples) == 80_000
    os.truncate(path, 44 + 2 * 100_000)
    with pytest.raises(UnreadableError) as caught:
        assert sum(len(part.samples) for part in parts) == 20_000
    assert caught.value.reason == "truncated"
