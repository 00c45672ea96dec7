"""Fuzzes all readers of data from a card: `python tests/fuzz/riff.py CORPUS -max_total_time=600`.

Needs the extra `fuzz`. The seeds are written into an empty CORPUS first. A finding is any exception but
UnreadableError, and any false assertion; libFuzzer stores the input that caused it.
"""

import io
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["anura_edge.sources"]):
    from anura_edge.errors import UnreadableError
    from anura_edge.sources.formats.extent import LengthStatus
    from anura_edge.sources.formats.layout import read_samples
    from anura_edge.sources.formats.riff import parse_wav
    from anura_edge.sources.metadata.audiomoth import read_comment, read_config
    from anura_edge.sources.metadata.filename import parse_file_name, recorder_prefix
    from anura_edge.sources.metadata.guano import read_guano
    from anura_edge.sources.metadata.resolve import FILE_NAME, resolve_start
    from anura_edge.sources.metadata.song_meter_log import read_summary
    from anura_edge.sources.metadata.wamd import read_wamd

from datetime import UTC, datetime

from seeds import write

MTIME = datetime(2026, 1, 1, tzinfo=UTC)


def read_everything(content: bytes) -> None:
    """Read bytes as a WAV file, as each metadata chunk, as a summary and as a file name."""
    texts = {b"guan": content, b"wamd": content, b"LIST": content}
    file = io.BytesIO(content)
    try:
        if wav := parse_wav(file, len(content)):
            assert wav.extent.offset + wav.samples * wav.sample_bytes <= len(content)
            assert (wav.samples < wav.declared) == (wav.length == LengthStatus.TRUNCATED)
            if wav.is_plain and wav.channels:
                assert sum(len(block) for block in read_samples(file, wav, 64)) == wav.samples
            texts |= wav.texts
    except UnreadableError:
        pass
    stem = content.decode("utf-8", "surrogateescape")
    recorder_prefix(stem)
    evidence = {
        FILE_NAME: parse_file_name(stem),
        "GUANO": read_guano(texts[b"guan"]),
        "wamd": read_wamd(texts[b"wamd"]),
        "comment": read_comment(texts[b"LIST"]),
    }
    assert resolve_start(evidence, None, MTIME).start_utc.tzinfo is UTC
    read_config(content)
    read_summary(content.splitlines(keepends=True))


if __name__ == "__main__":
    corpus = Path(sys.argv[1])
    if not corpus.is_dir() or not any(corpus.iterdir()):
        write(corpus)
    atheris.Setup(sys.argv, read_everything)
    atheris.Fuzz()
