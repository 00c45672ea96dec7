"""Builds valid and invalid WAV files, chunk by chunk."""

import struct

import numpy as np

from anura_edge.audio import FloatArray

RATE_HZ = 8_000


def chunk(kind: bytes, content: bytes, size: int | None = None, *, pad: bool = True) -> bytes:
    """Return a chunk, optionally with a wrong size or without its pad byte."""
    declared = len(content) if size is None else size
    return kind + struct.pack("<I", declared) + content + bytes(len(content) % 2 if pad else 0)


def fmt(channels: int = 1, rate_hz: int = RATE_HZ, bits: int = 16, tag: int = 1, more: bytes = b"") -> bytes:
    """Return a format chunk."""
    block = channels * bits // 8
    values = struct.pack("<HHIIHH", tag, channels, rate_hz % 2**32, rate_hz * block % 2**32, block % 2**16, bits)
    return chunk(b"fmt ", values + more)


def extensible(channels: int = 1, bits: int = 16, tag: int = 1) -> bytes:
    """Return a format chunk with the format in a GUID."""
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return fmt(channels, bits=bits, tag=0xFFFE, more=struct.pack("<HHI", 22, bits, 0) + guid)


def riff(*chunks: bytes, size: int | None = None, form: bytes = b"RIFF") -> bytes:
    """Return a file of chunks, optionally with a wrong size."""
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


def ds64(data_bytes: int, riff_bytes: int = 0) -> bytes:
    """Return the chunk with the sizes of an RF64 file."""
    return chunk(b"ds64", struct.pack("<QQQI", riff_bytes, data_bytes, 0, 0))


def info(comment: str, artist: str = "AudioMoth 24E144055E080032") -> bytes:
    """Return an AudioMoth's comment: 384 bytes of ICMT, 32 of IART."""
    parts = chunk(b"ICMT", comment.encode().ljust(384, b"\0")) + chunk(b"IART", artist.encode().ljust(32, b"\0"))
    return chunk(b"LIST", b"INFO" + parts)


def wamd(**changes: bytes) -> bytes:
    """Return an SM4's wamd chunk. Parts are named by their number in hexadecimal, as in p0005."""
    parts = {
        "p0000": b"\x01\x00",
        "p0001": b"SM4",
        "p0002": b"S4A04894",
        "p0003": b"2.1.1",
        "p0005": b"2019-05-22 22:30:00-03:00",
        "p0006": b"WGS84,22.90000,S,47.06000,W",
        "p0015": b"12.3C",
        **changes,
    }
    body = [struct.pack("<HI", int(number[1:], 16), len(value)) + value for number, value in parts.items()]
    return chunk(b"wamd", b"".join(body))


def guano(**changes: str) -> bytes:
    """Return a GUANO chunk; `_` in a key stands for a blank."""
    values = {"Make": "Wildlife Acoustics", "Model": "SM4", "Timestamp": "2019-05-22T22:30:00-03:00", **changes}
    lines = [f"{key.replace('_', ' ')}: {value}\n" for key, value in values.items()]
    return chunk(b"guan", "".join(["GUANO|Version: 1.0\n", *lines]).encode())


def noise(samples: int, channels: int = 1, seed: int = 0) -> FloatArray:
    """Return loud noise, shape (samples, channels), equal in each call."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (samples, channels)).astype(np.float32)


def pcm16(samples: FloatArray) -> bytes:
    """Return samples as 16-bit PCM."""
    return (samples * 32_767).astype("<i2").tobytes()
