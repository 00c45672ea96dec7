"""Every file ends as a recording or with one countable reason, whatever is in it."""

import os
import shutil
import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import ClockSource, FloatArray, to_float
from anura_edge.errors import UnreadableError
from anura_edge.sources.files.audio_file import NO_LENGTH, AudioFile, is_complete, is_unchanged, open_file
from anura_edge.sources.files.wav import LengthStatus

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40


def noise(samples: int, channels: int = 1, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (samples, channels)).astype(np.float32)


def wav(path: Path, samples: FloatArray, rate_hz: int = 8_000, **options: str) -> Path:
    sf.write(path, samples, rate_hz, **options)
    return path


def hear(sound: AudioFile) -> FloatArray:
    """Check that chunks follow each other, and join them."""
    parts, end = [], 0
    for chunk in sound.chunks():
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
def test_any_rate_and_channels_come_whole_and_in_order(tmp_path: Path, rate_hz: int, channels: int) -> None:
    samples = noise(rate_hz * 12, channels)
    sound = open_file(wav(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT"), "a.wav")
    facts = sound.recording
    assert (facts.rate_hz, facts.channels, facts.samples) == (rate_hz, channels, rate_hz * 12)
    np.testing.assert_array_equal(hear(sound), samples)


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
def test_any_format_gives_the_same_sound(tmp_path: Path, name: str, subtype: str, error: float) -> None:
    samples = noise(9_000, 2)
    sound = open_file(wav(tmp_path / name, samples, subtype=subtype), name)
    np.testing.assert_allclose(hear(sound), samples, atol=error)


def test_float_files_keep_what_is_no_number_for_the_pipeline_to_handle(tmp_path: Path) -> None:
    samples = noise(100)
    samples[7], samples[8], samples[9] = np.nan, np.inf, 2.0
    np.testing.assert_array_equal(hear(open_file(wav(tmp_path / "a.wav", samples, subtype="FLOAT"), "a")), samples)


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
def test_a_bad_file_has_a_reason(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert reason(tmp_path / name) == expected


def test_a_file_that_is_gone_has_a_reason(tmp_path: Path) -> None:
    assert reason(tmp_path / "gone.wav") == "interrupted"
    assert reason(tmp_path / "gone" / "a.wav") == "interrupted"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(wav(tmp_path / "a.wav", noise(10)))
    assert reason(tmp_path / "link.wav") == "not_a_file"


def test_a_folder_and_a_pipe_are_no_files_and_nobody_waits_for_them(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    assert reason(tmp_path / "folder.wav") == "not_a_file"
    assert reason(tmp_path / "pipe.wav") == "not_a_file"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    wav(tmp_path / "good.wav", noise(10))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        reason(tmp_path / "folder.wav")
        reason(tmp_path / "empty.wav")
        hear(open_file(tmp_path / "good.wav", "good"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_header_that_promises_nothing_is_not_a_silent_success(tmp_path: Path) -> None:
    assert reason(wav(tmp_path / "a.wav", noise(0))) == "no_samples"


def test_an_interrupted_recording_is_heard_to_the_end_of_the_file(tmp_path: Path) -> None:
    """AudioMoth writes 0 as the size of its audio and corrects it when the recording ends."""
    samples = noise(8_000)
    whole = wav(tmp_path / "a.wav", samples, subtype="FLOAT").read_bytes()
    at = whole.index(b"data") + 4
    (tmp_path / "b.wav").write_bytes(whole[:at] + bytes(4) + whole[at + 4 :])
    sound = open_file(tmp_path / "b.wav", "b")
    assert (sound.length, sound.recording.samples) == (LengthStatus.RECOVERED, 8_000)
    assert sound.recording.warnings == (NO_LENGTH,)
    np.testing.assert_array_equal(hear(sound), samples)


@pytest.mark.parametrize("rate_hz", [1, 3_999, 500_001, 2**31 - 1])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path: Path, rate_hz: int) -> None:
    content = bytearray(wav(tmp_path / "a.wav", noise(100)).read_bytes())
    struct.pack_into("<I", content, 24, rate_hz)
    (tmp_path / "a.wav").write_bytes(content)
    assert reason(tmp_path / "a.wav") == "bad_rate"


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    assert reason(wav(tmp_path / "a.wav", noise(10, 65))) == "bad_channels"


@pytest.mark.parametrize("there", [12_345, 0])
def test_a_wav_cut_short_gives_what_is_there_and_says_what_is_missing(tmp_path: Path, there: int) -> None:
    samples = noise(20_000)
    whole = wav(tmp_path / "a.wav", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "b.wav").write_bytes(whole[: 44 + 2 * there + 1])
    sound = open_file(tmp_path / "b.wav", "b")
    assert (sound.length, sound.recording.samples) == (LengthStatus.TRUNCATED, 20_000)
    assert sound.samples == there
    heard = []
    with pytest.raises(UnreadableError) as caught:
        heard.extend(sound.chunks())
    assert caught.value.reason == "truncated"
    assert sum(len(chunk.samples) for chunk in heard) == there


def test_a_flac_cut_short_gives_what_is_there_and_then_breaks_off(tmp_path: Path) -> None:
    samples = noise(400_000)
    whole = wav(tmp_path / "a.flac", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "b.flac").write_bytes(whole[: len(whole) // 2])
    sound = open_file(tmp_path / "b.flac", "b")
    heard = []
    with pytest.raises(UnreadableError) as caught:
        heard.extend(sound.chunks())
    assert caught.value.reason == "broken_off"
    assert sound.recording.samples == 400_000
    assert heard
    np.testing.assert_allclose(to_float(heard[0].samples), samples[: len(heard[0].samples)], atol=2**-15)


def test_a_file_that_ends_early_without_an_error_says_so(tmp_path: Path) -> None:
    """An MP3 decoder takes the end of the file for the end of the sound."""
    whole = wav(tmp_path / "a.mp3", noise(80_000)).read_bytes()
    assert len(hear(open_file(tmp_path / "a.mp3", "a"))) == 80_000
    (tmp_path / "a.mp3").write_bytes(whole[: len(whole) // 2])
    heard = []
    with pytest.raises(UnreadableError) as caught:
        heard.extend(open_file(tmp_path / "a.mp3", "a").chunks())
    assert caught.value.reason == "truncated"
    assert 20_000 < sum(len(chunk.samples) for chunk in heard) < 60_000


def lose_length(flac: bytes) -> bytes:
    """A recorder that streams, or loses power, leaves 0 as the number of samples."""
    content = bytearray(flac)
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    return bytes(content)


def test_a_flac_whose_length_nobody_wrote_down_is_heard_to_its_end(tmp_path: Path) -> None:
    samples = noise(100_001, 2)
    whole = wav(tmp_path / "a.flac", samples, subtype="PCM_16").read_bytes()
    (tmp_path / "a.flac").write_bytes(lose_length(whole))
    sound = open_file(tmp_path / "a.flac", "a")
    assert (sound.length, sound.recording.samples, sound.samples) == (LengthStatus.RECOVERED, None, 0)
    assert sound.recording.warnings == (NO_LENGTH,)
    np.testing.assert_allclose(hear(sound), samples, atol=2**-15)


def test_a_flac_without_a_length_that_breaks_off_says_so(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.flac", noise(400_000), subtype="PCM_16").read_bytes()
    (tmp_path / "a.flac").write_bytes(lose_length(whole)[: len(whole) // 2])
    heard = []
    with pytest.raises(UnreadableError) as caught:
        heard.extend(open_file(tmp_path / "a.flac", "a").chunks())
    assert caught.value.reason == "broken_off"
    assert heard


@given(st.binary(max_size=200), st.sampled_from([".wav", ".flac", ".ogg", ".aiff", ".mp3", ".au"]))
def test_no_bytes_at_all_give_anything_but_a_sound_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    with suppress(UnreadableError):
        list(open_file(path, "fuzz").chunks())


@given(st.integers(0, 3_000), st.binary(min_size=1, max_size=8), st.sampled_from(["wav", "flac", "ogg", "aiff"]))
def test_no_damage_gives_anything_but_a_sound_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    content = bytearray(wav(path, noise(1_000)).read_bytes())
    at %= len(content)
    content[at : at + len(damage)] = damage
    path.write_bytes(content)
    with suppress(UnreadableError):
        sound = open_file(path, "damaged")
        assert (sound.recording.samples or 0) < 2**53, "a number that the wire can carry"
        for chunk in sound.chunks():
            assert chunk.samples.shape[1] == sound.recording.channels


def test_a_copy_and_a_new_name_are_the_same_recording(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(200_000))
    first = open_file(path, "a").recording.id
    (tmp_path / "card").mkdir()
    assert open_file(Path(shutil.copy(path, tmp_path / "card" / "b.WAV")), "b").recording.id == first
    assert open_file(path.rename(tmp_path / "c.wav"), "c").recording.id == first


def test_other_content_is_another_recording(tmp_path: Path) -> None:
    samples = noise(50_000)
    paths = [wav(tmp_path / "a.wav", samples), wav(tmp_path / "b.wav", samples[:-1])]
    for at in (0, 25_000, 49_999):
        other = samples.copy()
        other[at] = 0
        paths.append(wav(tmp_path / f"{at}.wav", other))
    assert len({open_file(path, "x").recording.id for path in paths}) == len(paths)


def test_recordings_with_silence_at_both_ends_are_told_apart(tmp_path: Path) -> None:
    ids = set()
    for seed in range(3):
        samples = np.pad(noise(400_000, seed=seed), ((200_000, 200_000), (0, 0)))
        ids.add(open_file(wav(tmp_path / f"{seed}.wav", samples), "x").recording.id)
    assert len(ids) == 3


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize("value", [0.0, -1 / 2**15])
def test_recordings_without_sound_are_told_apart_by_the_time_in_their_names(
    tmp_path: Path, suffix: str, value: float
) -> None:
    """Two hours of a dead microphone are equal to the last byte, and are two hours nevertheless."""
    first = wav(tmp_path / f"A_20261120_193000.{suffix}", np.full((50_000, 2), value), subtype="PCM_16")

    def copy(name: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        return open_file(Path(shutil.copy(first, tmp_path / name)), name).recording.id

    ids = [open_file(first, "first").recording.id, copy(f"A_20261120_200000.{suffix}"), copy(f"no_time.{suffix}")]
    assert len({*ids}) == 3
    assert copy(f"B_20261120_193000.{suffix}") == copy(f"card/A_20261120_193000.{suffix}") == ids[0]
    assert copy(f"neither.{suffix}") == ids[2]
    other_zone = open_file(first, "first", timezone(timedelta(hours=5))).recording
    assert other_zone.id == ids[0], "a corrected offset makes no other recording"
    assert is_unchanged(open_file(first, "first"))


def test_recordings_whose_sound_lies_between_the_pieces_are_told_apart(tmp_path: Path) -> None:
    ids = set()
    for at in range(100_000, 105_000, 1_000):
        samples = np.zeros((1_000_000, 1))
        samples[at : at + 10] = 0.5
        ids.add(open_file(wav(tmp_path / "a.wav", samples, subtype="PCM_16"), "x").recording.id)
    assert len(ids) == 5


def test_a_new_name_for_a_recording_with_sound_makes_no_other_one(tmp_path: Path) -> None:
    samples = np.pad(noise(50_000), ((8_000, 0), (0, 0)))  # the recorder takes a second to begin
    path = wav(tmp_path / "A_20261120_193000.wav", samples, subtype="PCM_16")
    first = open_file(path, "a").recording.id
    assert open_file(path.rename(tmp_path / "A_20261120_203000.wav"), "a").recording.id == first


def test_a_wav_is_finished_when_all_that_it_promises_is_there(tmp_path: Path) -> None:
    whole = wav(tmp_path / "a.wav", noise(1_000)).read_bytes()
    for cut in (0, 1, 43, 44, 500, len(whole) - 1):
        (tmp_path / "b.wav").write_bytes(whole[:cut])
        assert not is_complete(tmp_path / "b.wav")
    assert is_complete(tmp_path / "a.wav")
    assert not is_complete(tmp_path / "gone.wav")
    (tmp_path / "notes.txt").touch()
    assert is_complete(tmp_path / "notes.txt")


def test_the_time_comes_from_the_name_and_else_from_the_file(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=-3))
    named = open_file(wav(tmp_path / "S4A_20190522_223000.wav", noise(10)), "a", zone).recording
    assert (named.start_utc, named.clock_source) == (datetime(2019, 5, 23, 1, 30, tzinfo=UTC), ClockSource.RECORDER)
    path = wav(tmp_path / "frog.wav", noise(10))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    other = open_file(path, "frog", zone).recording
    assert (other.start_utc.timestamp(), other.clock_source) == (1_000_000_000, ClockSource.FILE)


def test_a_name_that_is_not_utf8_is_no_obstacle(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/for\xeat_20190522_223000.wav"))
    wav(tmp_path / "a.wav", noise(100)).rename(path)
    assert len(hear(open_file(path, "forêt"))) == 100
    path.write_bytes(b"")
    assert reason(path) == "empty"


def test_a_time_of_change_beyond_the_calendar_is_no_obstacle(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(10))
    for seconds in (-(2**31), 0, 2**31, 15_032_385_535):
        os.utime(path, (seconds, seconds))
        assert open_file(path, "a").recording.start_utc.tzinfo is UTC


def test_each_real_recording_is_heard_or_has_its_reason(data: Path) -> None:
    expected = {"zero_length.wav": "empty", "png_named.WAV": "not_audio", "data_past_eof.wav": "truncated"}
    expected |= {"SM3_A_Summary.txt": "other_file", "AudioMoth_CONFIG.TXT": "other_file"}
    found = {}
    for path in (data / "recorders").iterdir():
        if path.suffix == ".csv":
            continue
        try:
            sound = open_file(path, path.name)
            assert len(hear(sound)) == sound.recording.samples
        except UnreadableError as error:
            found[path.name] = error.reason
    assert found == expected


@pytest.mark.parametrize("codec", ["wav_pcm_16", "wav_pcm_24", "wav_float", "flac_pcm_16", "aiff_pcm_24"])
def test_real_codecs_agree(data: Path, codec: str) -> None:
    recorders = data / "recorders"
    path = recorders / f"codec_{codec}.{codec.partition('_')[0]}"
    other = hear(open_file(recorders / "codec_wav_double.wav", "double"))
    np.testing.assert_allclose(hear(open_file(path, codec)), other, atol=2**-14)
