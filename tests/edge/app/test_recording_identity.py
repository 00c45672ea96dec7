"""A recording is its audio: neither its header nor its first bytes, and it stays the same when it grows."""

import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event as Stop

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waves import chunk, fmt, guano, pcm16, riff

from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.analysis import AudioSettings, ModelSettings
from anura_edge.config.device import Config
from anura_edge.sources.files.identity import AudioIdentity, is_same_recording
from anura_edge.sources.files.open_file import open_file
from anura_edge.sources.files.scan import scan
from anura_edge.store.run_summary import RunSummary

RATE_HZ = 8_000
FORMATS = ("wav", "flac", "mp3", "ogg", "aiff", "w64", "rf64", "caf", "au")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card").mkdir()
    return tmp_path / "card"


@pytest.fixture
def scan_card(tmp_path: Path, stream_path: Path, card: Path) -> Callable[[], RunSummary]:
    config = Config(
        state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), audio=AudioSettings(utc_offset="-03:00")
    )

    def run() -> RunSummary:
        with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
            runtime.scan_files(scan(card))
        return runtime.summary

    return run


def counted_s(tmp_path: Path) -> float:
    """Return the seconds of audio that count."""
    with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as db:
        ((seconds,),) = db.execute("SELECT sum(1.0 * samples / rate_hz) FROM effort")
    return float(seconds)


def noise(seconds: float, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE_HZ)).astype(np.float32)


def wav(samples: FloatArray, *before: bytes, behind: tuple[bytes, ...] = (), size: int | None = None) -> bytes:
    return riff(fmt(), *before, chunk(b"data", pcm16(samples), size), *behind)


def encode(samples: FloatArray, kind: str) -> bytes:
    file = io.BytesIO()
    options = {"rf64": ("RF64", None), "aiff": ("AIFF", None), "mp3": ("MP3", None)}
    name, subtype = options.get(kind, (kind.upper(), None))
    sf.write(file, samples, RATE_HZ, format=name, subtype=subtype)
    return file.getvalue()


def test_recordings_with_equal_long_headers_are_told_apart(
    card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary]
) -> None:
    """Some recorders write a LIST chunk of 384 KiB."""
    header = chunk(b"LIST", b"INFO" + bytes(384 * 1024))
    for number in range(6):
        (card / f"A_20261120_19{number}000.wav").write_bytes(wav(noise(10, number), header))
    assert scan_card().new == 6
    assert counted_s(tmp_path) == 60


def test_recordings_with_equal_cover_art_are_told_apart(card: Path, scan_card: Callable[[], RunSummary]) -> None:
    picture = b"\x86" + (300_000).to_bytes(3, "big") + bytes(300_000)
    for number in range(3):
        flac = encode(noise(10, number), "flac")
        (card / f"A_20261120_19{number}000.flac").write_bytes(
            flac[:4] + picture.replace(b"\x86", b"\x06", 1) + flac[4:]
        )
        tag = b"ID3\4\0\0" + bytes([0, 9, 0, 0]) + bytes(9 << 14)
        (card / f"B_20261120_19{number}000.mp3").write_bytes(tag + encode(noise(10, 9 + number), "mp3"))
    scan_card()
    assert scan_card().known == 6


@pytest.mark.parametrize("seconds", [0.2, 5])
def test_recordings_that_begin_equally_are_told_apart(
    card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary], seconds: float
) -> None:
    """Digital silence or a tone of the recorder at the start, longer than the first 64 KiB."""
    tone = np.sin(np.arange(round(seconds * RATE_HZ)) / 3).astype(np.float32) / 2
    for number in range(3):
        for kind, start in (("silence", 0 * tone), ("tone", tone)):
            samples = np.concatenate([start, noise(10, number + 10 * (kind == "tone"))])
            (card / f"{kind}_20261120_19{number}000.wav").write_bytes(wav(samples))
    assert scan_card().new == 6
    assert counted_s(tmp_path) == pytest.approx(6 * (10 + seconds))


def test_replaced_recording_is_known_only_by_its_signal(
    card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary]
) -> None:
    """Another card has files of equal names, sizes and times, which are silent where a file is looked at first."""
    path = card / "20261120_190000.WAV"
    for number in range(3):
        samples = noise(30, number)
        for at in (0, 14, 29):
            samples[at * RATE_HZ : (at + 2) * RATE_HZ] = 0
        path.write_bytes(wav(samples))
        os.utime(path, (10**9, 10**9))
        assert scan_card().new == 1
    assert counted_s(tmp_path) == 90


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "mp3", "ogg"])
def test_recordings_of_a_dead_microphone_are_told_apart(
    card: Path, scan_card: Callable[[], RunSummary], kind: str
) -> None:
    """It pops when it is switched on, and then delivers a flat line: all of its recordings are equal in every byte."""
    samples = np.zeros(20 * RATE_HZ, np.float32)
    samples[:2_000] = noise(0.25) * np.exp(-np.arange(2_000) / 300)
    content = encode(samples, kind)
    for hour in range(6):
        (card / f"A_20261120_{hour:02}0000.{kind}").write_bytes(content)
    assert scan_card().new == 6
    for hour in range(6):
        shutil.copy(card / f"A_20261120_{hour:02}0000.{kind}", card / f"copy_20261120_{hour:02}0000.{kind}")
    assert (scan_card().known, scan_card().new) == (12, 0)


def test_growing_recording_counts_once(card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary]) -> None:
    """The header of a file that is being written has no length, or the one of its last flush."""
    samples, path = noise(40), card / "A_20261120_190000.wav"
    for seconds, size in ((10, 0), (20, 44), (30, 160_000)):
        path.write_bytes(wav(samples[: seconds * RATE_HZ], size=size))
        assert scan_card().new == 1
        assert counted_s(tmp_path) == seconds
    path.write_bytes(wav(samples, behind=(guano(Note="complete"),)))
    assert scan_card().new == 1
    assert counted_s(tmp_path) == 40


def test_growing_recording_of_a_dead_microphone_counts_once(
    card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary]
) -> None:
    for seconds in (10, 20, 30):
        (card / "A_20261120_190000.wav").write_bytes(wav(np.zeros(seconds * RATE_HZ, np.float32)))
        (card / "A_20261120_200000.wav").write_bytes(wav(np.zeros(30 * RATE_HZ, np.float32)))
        scan_card()
    assert counted_s(tmp_path) == 60


@pytest.mark.parametrize("kind", FORMATS)
def test_part_of_a_recording_is_known_and_the_whole_replaces_a_part(
    card: Path, tmp_path: Path, scan_card: Callable[[], RunSummary], kind: str
) -> None:
    whole = encode(noise(40), kind)
    (card / f"part_20261120_210000.{kind}").write_bytes(whole[: len(whole) // 3])
    assert scan_card().new == 1
    (card / f"A_20261120_190000.{kind}").write_bytes(whole)
    scan_card()
    assert counted_s(tmp_path) == pytest.approx(40, abs=0.2)
    (card / f"half_20261120_210000.{kind}").write_bytes(whole[: len(whole) // 2])
    assert scan_card().new == 0


def with_tag(content: bytes, kind: str) -> bytes:
    """Return a file with other metadata."""
    if kind in ("wav", "rf64", "aiff"):
        return content + (chunk(b"guan", b"GUANO|Version: 1.0\n") if kind != "aiff" else b"ANNO\0\0\0\4note")
    if kind == "flac":
        return content[:4] + b"\4" + (40_000).to_bytes(3, "big") + bytes(40_000) + content[4:]
    if kind == "mp3":
        return b"ID3\4\0\0" + bytes([0, 3, 0, 0]) + bytes(3 << 14) + content + b"TAG" + bytes(125)
    if kind == "w64":
        return content + b"bext" + bytes.fromhex("f3acd3118cd100c04f8edb8a") + (32).to_bytes(8, "little") + bytes(8)
    if kind == "caf":
        return content + b"info" + (4).to_bytes(8, "big") + bytes(4)
    return content


@pytest.mark.parametrize("kind", FORMATS)
def test_note_in_the_header_makes_no_other_recording(
    card: Path, scan_card: Callable[[], RunSummary], kind: str
) -> None:
    content = encode(noise(20), kind)
    (card / f"A_20261120_190000.{kind}").write_bytes(content)
    assert scan_card().new == 1
    (card / f"A_20261120_190000.{kind}").write_bytes(with_tag(content, kind))
    assert (scan_card().new, scan_card().known) == (0, 1)


def test_longer_comments_of_an_ogg_file_make_no_other_recording(tmp_path: Path) -> None:
    """They move the audio to pages with other numbers and checksums."""
    content = encode(noise(20), "ogg")
    pages = content.split(b"OggS")[1:]
    moved = b"".join(
        b"OggS" + page[:14] + (int.from_bytes(page[14:18], "little") + 3).to_bytes(4, "little") + b"crc!" + page[22:]
        for page in pages
    )
    (tmp_path / "a.ogg").write_bytes(content)
    first = open_file(tmp_path / "a.ogg", "a")
    header = b"OggS" + pages[0] + b"OggS" + pages[1]
    (tmp_path / "b.ogg").write_bytes(header + moved[len(header) :])
    second = first.__class__(tmp_path / "b.ogg", first.file_bytes, first.recording, first._layout, first.metadata, None)
    assert second.identity == first.identity


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.integers(2_000, 60_000),
    cut=st.floats(0.05, 0.95),
    list_bytes=st.integers(0, 70_000),
    channels=st.sampled_from([1, 2]),
    seed=st.integers(0, 5),
)
def test_identity_is_that_of_the_audio(
    tmp_path: Path, samples: int, cut: float, list_bytes: int, channels: int, seed: int
) -> None:
    """Any header gives the same id, any cut a part of it, and other noise another recording."""
    sound = np.random.default_rng(seed).normal(0, 0.1, (samples, channels)).clip(-1, 1).astype(np.float32)
    header, data = fmt(channels), pcm16(sound)
    extra = chunk(b"LIST", bytes(list_bytes))

    def open_wav(name: str, content: bytes) -> AudioIdentity:
        (tmp_path / name).write_bytes(content)
        return open_file(tmp_path / name, name).identity

    first = open_wav("a.wav", riff(header, chunk(b"data", data)))
    assert open_wav("b.wav", riff(header, extra, chunk(b"data", data, 0))) == first
    part = open_wav("c.wav", riff(header, extra, chunk(b"data", data[: max(2_048, int(cut * len(data)))], 0)))
    assert is_same_recording(first, part)
    other = np.random.default_rng(seed + 100).normal(0, 0.1, (samples, channels)).clip(-1, 1).astype(np.float32)
    assert not is_same_recording(first, open_wav("d.wav", riff(header, chunk(b"data", pcm16(other)))))
