"""Any file is an audio file or has one countable reason."""

import io
import os
import shutil
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource, FloatArray, to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.open_file import NO_LENGTH, is_complete, is_unchanged, open_file
from anura_edge.sources.formats.extent import LengthStatus

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40


def noise(samples: int, channels: int = 1, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (samples, channels)).astype(np.float32)


def wav(path: Path, samples: FloatArray, rate_hz: int = 8_000, **options: str) -> Path:
    sf.write(path, samples, rate_hz, **options)
    return path


def decode(file: AudioFile) -> FloatArray:
    """Check that chunks follow each other, and concatenate them."""
    parts, end = [], 0
    for chunk in file.chunks():
        assert chunk.first_sample == end
        end = chunk.end_sample
        parts.append(to_float(chunk.samples))
    return np.concatenate(parts)


def reason(path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        open_file(path, path.name)
    assert path.name.encode("utf-8", "backslashreplace").decode() in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_are_decoded(tmp_path: Path, rate_hz: int, channels: int) -> None:
    samples = noise(rate_hz * 12, channels)
    file = open_file(wav(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT"), "a.wav")
    facts = file.recording
    assert (facts.rate_hz, facts.channels, facts.samples) == (rate_hz, channels, rate_hz * 12)
    np.testing.assert_array_equal(decode(file), samples)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 2**-15),
        ("a.WAV", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 2**-24),
        ("a.wav", "PCM_U8", 2**-6),
        ("a.wav", "DOUBLE", 0),
        ("a.flac", "PCM_16", 2**-15),
        ("a.FLAC", "PCM_24", 2**-23),
        ("a.aiff", "PCM_16", 2**-15),
        ("a.w64", "PCM_16", 2**-15),
        ("a.rf64", "PCM_16", 2**-15),
    ],
)
def test_any_format_gives_the_same_samples(tmp_path: Path, name: str, subtype: str, error: float) -> None:
    samples = noise(9_000, 2)
    file = open_file(wav(tmp_path / name, samples, subtype=subtype), name)
    np.testing.assert_allclose(decode(file), samples, atol=error)


def test_invalid_float_samples_stay_unchanged(tmp_path: Path) -> None:
    samples = noise(100)
    samples[7], samples[8], samples[9] = np.nan, np.inf, 2.0
    np.testing.assert_array_equal(decode(open_file(wav(tmp_path / "a.wav", samples, subtype="FLOAT"), "a")), samples)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.wav", b"", "empty"),
        ("a.flac", b"", "empty"),
        ("a.wav", bytes(131_072), "nul_filled"),
        ("a.wav", b"\0", "nul_filled"),
        ("a.WAV", PNG, "not_audio"),
        ("a.wav", bytes(range(1, 256)) * 500, "no_header"),
        ("a.wav", b"R", "not_audio"),
        ("a.wav", b"RIFF\xff\xff\xff\xffWAVE", "bad_header"),
        ("a.flac", b"fLaC", "not_audio"),
        ("a.mp3", b"hello " * 100, "not_audio"),
        ("a.w4v", b"anything", "proprietary"),
        ("a.WAC", b"anything", "proprietary"),
        ("a_Summary.txt", b"DATE,TIME", "other_file"),
        ("CONFIG", b"x", "other_file"),
        (".wav", b"x", "other_file"),
    ],
)
def test_unusable_file_has_a_reason(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert reason(tmp_path / name) == expected


def test_missing_file_is_interrupted(tmp_path: Path) -> None:
    assert reason(tmp_path / "gone.wav") == "interrupted"
    assert reason(tmp_path / "gone" / "a.wav") == "interrupted"


def test_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(wav(tmp_path / "a.wav", noise(10)))
    assert reason(tmp_path / "link.wav") == "not_a_file"


def test_folder_and_pipe_are_refused_without_blocking(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    assert reason(tmp_path / "folder.wav") == "not_a_file"
    assert reason(tmp_path / "pipe.wav") == "not_a_file"


def test_descriptors_are_closed(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    wav(tmp_path / "good.wav", noise(10))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        reason(tmp_path / "folder.wav")
        reason(tmp_path / "empty.wav")
        decode(open_file(tmp_path / "good.wav", "good"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_header_without_samples_is_refused(tmp_path: Path) -> None:
    assert reason(wav(tmp_path / "a.wav", noise(0))) == "no_samples"


def test_recording_without_a_length_is_decoded_to_its_end(tmp_path: Path) -> None:
    """AudioMoth writes 0 as the size of its audio and corrects it when the recording ends."""
    samples = noise(8_000)
    whole = wav(tmp_path / "a.wav", samples, subtype="FLOAT").read_bytes()
    at = whole.index(b"data") + 4
    (tmp_path / "b.wav").write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
    file = open_file(tmp_path / "b.wav", "b")
    assert (file.length, file.recording.samples) == (LengthStatus.RECOVERED, 8_000)
    assert file.recording.warnings == (NO_LENGTH,)
    np.testing.assert_array_equal(decode(file), samples)


@pytest.mark.parametrize("rate_hz", [1, 3_999, 500_001, 2**31 - 1])
def test_impossible_rate_is_refused(tmp_path: Path, rate_hz: int) -> None:
    content = bytearray(wav(tmp_path / "a.wav", noise(100)).read_bytes())
    struct.pack_into("<I", content, 24, rate_hz)
    (tmp_path / "a.wav").write_bytes(content)
    assert reason(tmp_path / "a.wav") == "bad_rate"


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    assert reason(wav(tmp_path / "a.wav", noise(10, 65))) == "bad_channels"


@pytest.mark.parametrize("available", [12_345, 0])
def test_truncated_wav_is_decoded_then_an_error(tmp_path: Path, available: int) -> None:
    samples = noise(20_000)
    whole = wav(tmp_path / "a.wav", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: 44 + 2 * available + 1])
    file = open_file(tmp_path / "b.wav", "b")
    assert (file.length, file.recording.samples) == (LengthStatus.TRUNCATED, 20_000)
    assert file.samples == available
    chunks = []
    with pytest.raises(UnreadableError) as caught:
        chunks.extend(file.chunks())
    assert caught.value.reason == "truncated"
    assert sum(len(chunk.samples) for chunk in chunks) == available


def test_truncated_flac_is_decoded_then_an_error(tmp_path: Path) -> None:
    samples = noise(400_000)
    whole = wav(tmp_path / "a.flac", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
    file = open_file(tmp_path / "b.flac", "b")
    chunks = []
    with pytest.raises(UnreadableError) as caught:
        chunks.extend(file.chunks())
    assert caught.value.reason == "broken_off"
    assert file.recording.samples == 400_000
    assert chunks
    np.testing.assert_allclose(to_float(chunks[0].samples), samples[: len(chunks[0].samples)], atol=2**-15)


def test_truncated_mp3_is_an_error(tmp_path: Path) -> None:
    """An MP3 decoder takes the end of the file for the end of the audio."""
    whole = wav(tmp_path / "a.mp3", noise(80_000)).read_bytes()
    assert len(decode(open_file(tmp_path / "a.mp3", "a"))) == 80_000
    (tmp_path / "a.mp3").write_bytes(whole[: len(whole) // 2])
    chunks = []
    with pytest.raises(UnreadableError) as caught:
        chunks.extend(open_file(tmp_path / "a.mp3", "a").chunks())
    assert caught.value.reason == "truncated"
    assert 20_000 < sum(len(chunk.samples) for chunk in chunks) < 60_000


def remove_length(flac: bytes) -> bytes:
    """Set the number of samples to 0, as recorders do that stream or lose power."""
    content = bytearray(flac)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def test_flac_without_a_length_is_decoded_to_its_end(tmp_path: Path) -> None:
    samples = noise(100_001, 2)
    whole = wav(tmp_path / "a.flac", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "a.flac").write_bytes(remove_length(whole))
    file = open_file(tmp_path / "a.flac", "a")
    assert (file.length, file.recording.samples, file.samples) == (LengthStatus.RECOVERED, 100_001, 100_001)
    assert file.recording.warnings == (NO_LENGTH,)
    np.testing.assert_allclose(decode(file), samples, atol=2**-15)


def test_truncated_flac_without_a_length_is_an_error(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.flac", noise(400_000), subtype="PCM_16").read_bytes()
    (tmp_path / "a.flac").write_bytes(remove_length(whole)[: len(whole) // 2])
    chunks = []
    with pytest.raises(UnreadableError) as caught:
        chunks.extend(open_file(tmp_path / "a.flac", "a").chunks())
    assert caught.value.reason == "broken_off"
    assert chunks


@given(st.binary(max_size=200), st.sampled_from([".wav", ".flac", ".ogg", ".aiff", ".mp3", ".au"]))
def test_any_bytes_are_audio_or_have_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    with suppress(UnreadableError):
        list(open_file(path, "fuzz").chunks())


@cache
def encoded(suffix: str) -> bytes:
    file = io.BytesIO()
    options = {"rf64": "RF64", "aiff": "AIFF", "caf": "CAF", "adpcm": "WAV"}
    subtype = {"adpcm": "IMA_ADPCM", "au": "ULAW", "caf": "ALAC_16", "w64": "DOUBLE"}.get(suffix)
    sf.write(file, noise(3_000), 8_000, format=options.get(suffix, suffix.upper()), subtype=subtype)
    return file.getvalue()


@given(
    st.integers(0, 6_000) | st.integers(0, 100),
    st.binary(min_size=1, max_size=8) | st.sampled_from([bytes(8), b"\xff" * 8, bytes(4), b"\xff" * 4]),
    st.integers(0, 6_000),
    st.sampled_from(["wav", "flac", "ogg", "aiff", "mp3", "w64", "rf64", "caf", "au", "adpcm"]),
)
def test_damaged_file_is_audio_or_has_a_reason(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes, cut: int, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    content = bytearray(encoded(suffix))
    at %= len(content)
    content[at : at + len(damage)] = damage
    path.write_bytes(content[: max(1, len(content) - cut // 10)])
    with suppress(UnreadableError):
        file = open_file(path, "damaged")
        assert file.samples <= (file.recording.samples or 2**53) <= 2**53, "a number that is valid on the wire"
        assert file.identity == file.identify()
        decoded = 0
        for chunk in file.chunks():
            assert chunk.samples.shape[1] == file.recording.channels
            decoded = chunk.end_sample
            if decoded > 1_000_000:
                return
        assert file.recording.samples in (None, decoded)


def test_large_file_of_noise_is_no_mp3(tmp_path: Path) -> None:
    """Among random bytes there are some that look like frames."""
    frame = b"\xff\xf3\x48\xc4".ljust(192, b"x")
    content = bytearray(np.random.default_rng(0).integers(0, 255, 300_000, np.uint8).tobytes())
    content[5_000:5_384] = frame * 2
    (tmp_path / "a.wav").write_bytes(content)
    assert reason(tmp_path / "a.wav") == "no_header"


def test_ogg_of_another_codec_names_a_program_that_converts_it(tmp_path: Path) -> None:
    page = b"OggS\0\2" + bytes(8) + b"SERI" + bytes(8) + b"\1\x50" + b"Speex   1.2".ljust(80, b"\0")
    (tmp_path / "a.ogg").write_bytes(page * 3)
    assert reason(tmp_path / "a.ogg") == "unsupported"
    with pytest.raises(UnreadableError, match="ffmpeg"):
        open_file(tmp_path / "a.ogg", "a")


def test_copy_and_renamed_file_have_the_same_id(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(200_000))
    first = open_file(path, "a").recording.id
    (tmp_path / "card").mkdir()
    assert open_file(Path(shutil.copy(path, tmp_path / "card" / "b.WAV")), "b").recording.id == first
    assert open_file(path.rename(tmp_path / "c.wav"), "c").recording.id == first


def test_other_content_has_another_id(tmp_path: Path) -> None:
    samples = noise(50_000)
    paths = [wav(tmp_path / "a.wav", samples), wav(tmp_path / "b.wav", samples[:-1])]
    for at in (0, 25_000, 49_999):
        other = samples.copy()
        other[at] = 0
        paths.append(wav(tmp_path / f"{at}.wav", other))
    assert len({open_file(path, "x").recording.id for path in paths}) == len(paths)


def test_recordings_with_silence_at_both_ends_have_other_ids(tmp_path: Path) -> None:
    ids = set()
    for seed in range(3):
        samples = np.pad(noise(400_000, seed=seed), ((200_000, 200_000), (0, 0)))
        ids.add(open_file(wav(tmp_path / f"{seed}.wav", samples), "x").recording.id)
    assert len(ids) == 3


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("value", [0.0, -1 / 2**15])
def test_silent_recordings_are_identified_by_their_named_time(tmp_path: Path, suffix: str, value: float) -> None:
    """Two hours of a broken microphone are equal in every byte, but they are two recordings."""
    first = wav(tmp_path / f"A_20261120_193000.{suffix}", np.full((50_000, 2), value), subtype="PCM_16")

    def copy(name: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        return open_file(Path(shutil.copy(first, tmp_path / name)), name).recording.id

    ids = [open_file(first, "first").recording.id, copy(f"A_20261120_200000.{suffix}"), copy(f"no_time.{suffix}")]
    assert len({*ids}) == 3
    assert copy(f"B_20261120_193000.{suffix}") == copy(f"card/A_20261120_193000.{suffix}") == ids[0]
    assert copy(f"other.{suffix}") == ids[2]
    other_zone = open_file(first, "first", timezone(timedelta(hours=5))).recording
    assert other_zone.id == ids[0], "a corrected offset does not change the id"
    assert is_unchanged(open_file(first, "first"))


def test_recordings_that_differ_between_pieces_have_other_ids(tmp_path: Path) -> None:
    ids = set()
    for at in range(100_000, 105_000, 1_000):
        samples = np.zeros((1_000_000, 1))
        samples[at : at + 10] = 0.5
        ids.add(open_file(wav(tmp_path / "a.wav", samples, subtype="PCM_16"), "x").recording.id)
    assert len(ids) == 5


def test_new_name_does_not_change_the_id(tmp_path: Path) -> None:
    samples = np.pad(noise(50_000), ((8_000, 0), (0, 0)))  # the recorder starts with a second of silence
    path = wav(tmp_path / "A_20261120_193000.wav", samples, subtype="PCM_16")
    first = open_file(path, "a").recording.id
    assert open_file(path.rename(tmp_path / "A_20261120_203000.wav"), "a").recording.id == first


def test_wav_is_complete_when_as_long_as_declared(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.wav", noise(1_000)).read_bytes()
    for cut in (0, 1, 43, 44, 500, len(whole) - 1):
        (tmp_path / "b.wav").write_bytes(whole[:cut])
        assert not is_complete(tmp_path / "b.wav")
    assert is_complete(tmp_path / "a.wav")
    assert not is_complete(tmp_path / "gone.wav")
    (tmp_path / "notes.txt").touch()
    assert is_complete(tmp_path / "notes.txt")


def test_start_is_from_the_name_or_else_the_file_time(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=-3))
    named = open_file(wav(tmp_path / "S4A_20190522_223000.wav", noise(10)), "a", zone).recording
    assert (named.start_utc, named.clock_source) == (datetime(2019, 5, 23, 1, 30, tzinfo=UTC), ClockSource.RECORDER)
    path = wav(tmp_path / "frog.wav", noise(10))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    other = open_file(path, "frog", zone).recording
    assert (other.start_utc.timestamp(), other.clock_source) == (1_000_000_000, ClockSource.FILE)


def test_name_that_is_not_utf8_is_opened(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/for\xeat_20190522_223000.wav"))
    wav(tmp_path / "a.wav", noise(100)).rename(path)
    assert len(decode(open_file(path, "forêt"))) == 100
    path.write_bytes(b"")
    assert reason(path) == "empty"


@pytest.mark.parametrize("seconds", [-(2**31), 0, 10**9, 2**31, 15_032_385_535, 2**38, -(2**38), 2**55])
def test_modification_time_may_be_any_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Years before 2001 and to come are of a clock that is wrong. Not every file system stores all of them."""
    path = wav(tmp_path / "a.wav", noise(10))
    fstat = os.fstat

    def with_time(descriptor: int) -> SimpleNamespace:
        status = fstat(descriptor)
        return SimpleNamespace(st_mode=status.st_mode, st_size=status.st_size, st_mtime=float(seconds))

    monkeypatch.setattr(os, "fstat", with_time)
    facts = open_file(path, "a").recording
    assert facts.start_utc.tzinfo is UTC
    assert facts.time_at(2**36).tzinfo is UTC
    is_known = seconds == 10**9  # from 2001 until today
    assert facts.clock_source == (ClockSource.FILE if is_known else ClockSource.UNKNOWN)
    assert len(facts.warnings) == (not is_known)


@pytest.mark.parametrize("name", ["A_99991231_235959", "A_00010101_000000"])
def test_name_may_have_any_year(tmp_path: Path, name: str) -> None:
    facts = open_file(wav(tmp_path / f"{name}.wav", noise(10)), "a", timezone(timedelta(hours=-14))).recording
    assert facts.time_at(2**36).tzinfo is UTC


def test_real_recording_is_decoded_or_has_its_reason(data: Path) -> None:
    expected = {"zero_length.wav": "empty", "png_named.WAV": "not_audio", "data_past_eof.wav": "truncated"}
    expected |= {"SM3_A_Summary.txt": "other_file", "AudioMoth_CONFIG.TXT": "other_file"}
    found = {}
    for path in (data / "recorders").iterdir():
        if path.suffix == ".csv":
            continue
        try:
            file = open_file(path, path.name)
            assert len(decode(file)) == file.recording.samples
        except UnreadableError as error:
            found[path.name] = error.reason
    assert found == expected


@pytest.mark.parametrize("codec", ["wav_pcm_16", "wav_pcm_24", "wav_float", "flac_pcm_16", "aiff_pcm_24"])
def test_real_codecs_agree(data: Path, codec: str) -> None:
    recorders = data / "recorders"
    path = recorders / f"codec_{codec}.{codec.partition('_')[0]}"
    other = decode(open_file(recorders / "codec_wav_double.wav", "double"))
    np.testing.assert_allclose(decode(open_file(path, codec)), other, atol=2**-14)
