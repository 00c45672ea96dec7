"""Makes identities of audio for tests of the journal."""

from anura_edge.sources.files.identity import AudioIdentity


def make_identity(recording: str, **changes: object) -> AudioIdentity:
    """Return the identity of a recording's audio."""
    values = {
        "id": recording,
        "audio_format": "signed/16",
        "audio_bytes": 1_000,
        "probes": b"",
        "has_signal": True,
        "head": None,
        "named_start": "",
    }
    return AudioIdentity(**values | changes)  # type: ignore[arg-type]
