"""Fuzzes everything that reads what a stranger's card holds: `python tests/fuzz/riff.py CORPUS -max_total_time=600`.

Needs `pip install atheris` (3.0 has a wheel for Python 3.11). The seeds are written into an empty CORPUS first. Any
exception but UnreadableError, and any promise that does not hold, is a finding; libFuzzer keeps the input that led to
it.
"""

import io
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["anura_edge.sources"]):
    from anura_edge.errors import UnreadableError
    from anura_edge.sources.files.wav import LengthStatus, parse_wav, read_samples
    from anura_edge.sources.metadata.audiomoth import read_comment, read_config
    from anura_edge.sources.metadata.filename import parse_file_name, recorder_prefix
    from anura_edge.sources.metadata.guano import read_guano
    from anura_edge.sources.metadata.resolve import FILE_NAME, resolve_start
    from anura_edge.sources.metadata.song_meter_log import read_summary
    from anura_edge.sources.metadata.wamd import read_wamd

from datetime import UTC, datetime

from seeds import write

MTIME = datetime(2026, 1, 1, tzinfo=UTC)


def try_everything(content: bytes) -> None:
    """Read bytes as a WAV, as each of its chunks, as a summary and as a name."""
    texts = {b"guan": content, b"wamd": content, b"LIST": content}
    file = io.BytesIO(content)
    try:
        if wave := parse_wav(file, len(content)):
            assert wave.offset + wave.samples * wave.sample_bytes <= len(content)
            assert (wave.samples < wave.promised) == (wave.length == LengthStatus.TRUNCATED)
            if wave.is_plain and wave.channels:
                assert sum(len(block) for block in read_samples(file, wave, 64)) == wave.samples
            texts |= wave.texts
    except UnreadableError:
        pass
    stem = content.decode("utf-8", "surrogateescape")
    recorder_prefix(stem)
    said = {
        FILE_NAME: parse_file_name(stem),
        "GUANO": read_guano(texts[b"guan"]),
        "wamd": read_wamd(texts[b"wamd"]),
        "comment": read_comment(texts[b"LIST"]),
    }
    assert resolve_start(said, None, MTIME).start_utc.tzinfo is UTC
    read_config(content)
    read_summary(content.splitlines(keepends=True))


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    if not corpus.is_dir() or not any(corpus.iterdir()):
        write(corpus)
    atheris.Setup(sys.argv, try_everything)
    atheris.Fuzz()
