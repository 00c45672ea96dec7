"""Fuzzes all that is done with an audio file: `python tests/fuzz/audio_files.py CORPUS [OPTIONS]`.

Needs the extra `fuzz`. Small files of each format are written into an empty CORPUS first. The options are those of
libFuzzer, as in `-max_total_time=600`. A finding is any exception but UnreadableError, any false assertion, and
anything that takes longer than `-timeout`. libFuzzer stores the input that caused it.
"""

import io
import logging
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["anura_edge.sources"]):
    from anura_edge.errors import UnreadableError
    from anura_edge.sources.files.identity import is_same_recording, quick_fingerprint
    from anura_edge.sources.files.open_file import is_complete, is_unchanged, open_file

MAX_DECODED = 2_000_000
"""A compressed file of a few bytes may declare hours of silence."""

FORMATS = {
    "WAV": ("PCM_16", "PCM_24", "FLOAT", "ALAW", "IMA_ADPCM", "GSM610"),
    "RF64": ("PCM_16",),
    "W64": ("PCM_16", "DOUBLE"),
    "AIFF": ("PCM_16", "FLOAT"),
    "CAF": ("PCM_16", "ALAC_16"),
    "AU": ("PCM_16", "ULAW"),
    "FLAC": ("PCM_16", "PCM_24"),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III",),
}


def write_seeds(corpus: Path) -> None:
    """Write a file of noise and one of silence in each format."""
    corpus.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3_000).astype(np.float32)
    for kind, subtypes in FORMATS.items():
        for subtype in subtypes:
            for name, samples in (("noise", noise), ("silence", 0 * noise)):
                file = io.BytesIO()
                sf.write(file, samples, 8_000, format=kind, subtype=subtype)
                (corpus / f"{kind}_{subtype}_{name}").write_bytes(file.getvalue())


def read_file(path: Path, content: bytes) -> None:
    """Open, identify and decode a file with any content."""
    path.write_bytes(content)
    quick_fingerprint(path, path.name, len(content), 0)
    is_complete(path)
    try:
        file = open_file(path, path.name)
        assert is_unchanged(file)
        assert 0 <= file.samples <= (file.recording.samples or file.samples) < 2**53
        assert file.identity == file.identify()
        assert file.identity.audio_bytes <= len(content)
        if file.identity.signal_probes and file.identity.has_signal:
            assert is_same_recording(file.identity, file.identity)
        decoded = 0
        for chunk in file.chunks():
            assert chunk.first_sample == decoded
            assert chunk.samples.shape[1] == file.recording.channels
            decoded = chunk.end_sample
            if decoded > MAX_DECODED:
                return
        assert decoded == (file.recording.samples or decoded)
    except UnreadableError:
        pass


def main() -> None:
    """Fuzz until libFuzzer's options end it."""
    logging.disable()
    corpus = Path(sys.argv[1])
    if not corpus.is_dir() or not any(corpus.iterdir()):
        write_seeds(corpus)
    with tempfile.TemporaryDirectory(prefix="anura-fuzz-") as folder:
        paths = [Path(folder) / f"A_20261120_190000{suffix}" for suffix in (".data", ".wav")]
        atheris.Setup(sys.argv, lambda content: read_file(paths[len(content) % 2], content))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
