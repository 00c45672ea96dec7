"""Audio that cannot be decoded is told from files that are no audio, by content."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from anura_edge.errors import UnreadableError
from anura_edge.sources.files.open_file import check_kind, open_file


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def movie(*handlers: bytes, media_first: bool = False) -> bytes:
    tracks = b"".join(box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + each + bytes(13)))) for each in handlers)
    parts = [box(b"moov", box(b"mvhd", bytes(100)) + tracks), box(b"mdat", bytes(5_000))]
    return box(b"ftyp", b"3gp4" + bytes(4)) + b"".join(reversed(parts) if media_first else parts)


def matroska(*codecs: bytes) -> bytes:
    tracks = b"".join(b"\x86" + bytes([0x80 | len(each)]) + each for each in codecs)
    return b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01" + bytes(200) + tracks + bytes(5_000)


ADTS = (b"\xff\xf1\x50\x80\x08\x9f\xfc" + bytes(61)) * 3


def reason(path: Path) -> str:
    try:
        check_kind(path)
    except UnreadableError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (movie(b"soun"), "unsupported"),
        (movie(b"soun", media_first=True), "unsupported"),
        (movie(b"vide", b"soun"), "other_file"),
        (movie(b"vide"), "other_file"),
        (movie(), "other_file"),
        (matroska(b"A_OPUS"), "unsupported"),
        (matroska(b"V_VP8", b"A_OPUS"), "other_file"),
        (ADTS, "unsupported"),
        (b"\x02dss" + bytes(100), "unsupported"),
        (b"\x03ds2" + bytes(100), "unsupported"),
        (box(b"ftyp", b"isom") + struct.pack(">I", 1) + b"mdat" + b"\xff" * 8, "other_file"),
        (box(b"ftyp", b"isom") + bytes(100), "other_file"),
        (b"MThd" + bytes(100), "other_file"),
    ],
)
def test_sound_without_pictures_is_named(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "recording.bin"
    path.write_bytes(content)
    assert reason(path) == expected


@pytest.mark.parametrize("form", ["VOC", "NIST", "IRCAM", "PAF", "SVX", "AVR", "PVF"])
def test_rare_formats_are_heard_under_any_suffix(tmp_path: Path, form: str) -> None:
    path = tmp_path / "recording.bin"
    sound = np.arange(16_000, dtype=np.int16)
    sf.write(path, sound, 8_000, format=form, subtype="PCM_16")
    heard = [part.samples for part in open_file(path, path.name).chunks()]
    assert np.array_equal(np.concatenate(heard).reshape(-1), sound)
