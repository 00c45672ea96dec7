"""Files are found in journals of earlier versions by the ids that those versions gave them."""

from pathlib import Path

import pytest
from waves import chunk, fmt, noise, pcm16, riff

from anura_edge.sources.files.open_file import open_file

SOUND = pcm16(noise(60_000))


@pytest.mark.parametrize(
    ("name", "content", "recording", "head"),
    [
        (
            "noise.wav",
            riff(fmt(), chunk(b"data", SOUND)),
            "e0d055765ed2962e5e234cf2e3c65814",
            "f700bb71fb6a712d1c4633b67e160921",
        ),
        (
            "A_20261120_193000.wav",
            riff(fmt(), chunk(b"data", bytes(100_000))),
            "ecdce856ed085b7c7822c1d045112b43",
            None,
        ),
        ("late.wav", riff(fmt(), chunk(b"data", bytes(100_000) + SOUND)), "185233d08b931c408847dbe213554c70", None),
        (
            "header.wav",
            riff(fmt(), chunk(b"LIST", bytes(60_000)), chunk(b"data", SOUND)),
            "48068c028e183b986b5891a3b416c848",
            None,  # too little audio in the first 64 KiB
        ),
    ],
)
def test_former_id_is_that_of_the_earlier_version(
    tmp_path: Path, name: str, content: bytes, recording: str, head: str | None
) -> None:
    (tmp_path / name).write_bytes(content)
    former = open_file(tmp_path / name, name).former_identity()
    assert (former.id, former.head, former.file_bytes) == (recording, head, len(content))
