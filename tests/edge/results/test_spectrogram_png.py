"""Spectrogram images, and the decoding of clips that may be hostile."""

import io
import struct
import zlib

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_base.clips import decode as decode_module
from anura_base.clips.decode import decode, read_header
from anura_edge.errors import UnreadableError
from anura_edge.results.spectrogram_png import HEIGHT, WIDTH, spectrogram_png, top_hz


def pixels(png: bytes) -> np.ndarray:
    """Read one of our PNG files: palette indices, the top row first."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, parts = 8, {}
    while at < len(png):
        (size,), name = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + data)
        parts[name], at = data, at + 12 + size
    width, height, depth, kind = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert (width, height, depth, kind, len(parts[b"PLTE"])) == (WIDTH, HEIGHT, 8, 3, 768)
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000, 250_000])
def test_tone_appears_at_its_time_and_frequency(rate_hz: int) -> None:
    hz, seconds = 3_000, 4
    t = np.arange(seconds * rate_hz) / rate_hz
    tone = np.where((t >= 1) & (t < 2), np.sin(2 * np.pi * hz * t), 0) / 2
    noise = np.random.default_rng(1).normal(0, 1e-4, len(t))
    image = pixels(spectrogram_png((tone + noise).astype(np.float32), rate_hz)).astype(int)
    row, _ = np.unravel_index(image.argmax(), image.shape)
    assert abs((HEIGHT - 1 - row) / HEIGHT * top_hz(rate_hz) - hz) < 2 * top_hz(rate_hz) / HEIGHT + 50
    loud = np.flatnonzero(image[row] > 128)
    assert abs(loud[0] / WIDTH * seconds - 1) < 0.05
    assert abs(loud[-1] / WIDTH * seconds - 2) < 0.05


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 3_000), st.sampled_from([4_000, 44_100, 500_000]), st.sampled_from([0.0, 1.0, 1e-30]))
def test_any_audio_gives_an_image(samples: int, rate_hz: int, level: float) -> None:
    assert pixels(spectrogram_png(np.full(samples, level, np.float32), rate_hz)).shape == (HEIGHT, WIDTH)


def test_palette_lightness_rises_with_the_level() -> None:
    png = spectrogram_png(np.zeros(9, np.float32), 8_000)
    colours = np.frombuffer(png[(at := png.index(b"PLTE") + 4) : at + 768], np.uint8).reshape(256, 3)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -0.5).all(), "except for rounding"
    assert lightness[-1] - lightness[0] > 180


def encoded(samples: np.ndarray, rate_hz: int, form: str = "FLAC") -> bytes:
    into = io.BytesIO()
    sf.write(into, samples, rate_hz, format=form, subtype="PCM_16")
    return into.getvalue()


def test_decoded_audio_equals_the_encoded() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, (5_000, 2))
    decoded, rate_hz = decode(encoded(samples, 24_000))
    assert rate_hz == 24_000
    assert np.abs(decoded - samples[:, 0]).max() < 1e-4


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"fLaC",
        encoded(np.zeros(9), 24_000, "WAV"),
        encoded(np.zeros((9, 3)), 24_000),
        encoded(np.zeros(9), 1_000),
        encoded(np.zeros(round(4_000 * (decode_module.MAX_S + 1))), 4_000),
    ],
)
def test_invalid_header_is_refused(file: bytes) -> None:
    with pytest.raises(UnreadableError, match="the file"):
        read_header(file)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_damaged_file_is_decoded_or_refused(data: st.DataObject) -> None:
    file = bytearray(encoded(np.random.default_rng(1).normal(0, 0.1, 3_000), 24_000))
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(0, 300) | st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_header(bytes(file))
        samples, rate_hz = decode(bytes(file[: data.draw(st.integers(1, len(file)))]))
    except UnreadableError:
        return
    assert len(samples) <= decode_module.MAX_S * rate_hz
    spectrogram_png(samples, rate_hz)
