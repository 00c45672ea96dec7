"""Tells audio from other files by their content. The suffix of a name decides only where the content does not."""

from anura_edge.sources.formats.mpeg import begins_with_frames

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".aif", ".aiff", ".aifc", ".ogg", ".oga", ".opus", ".mp3", ".w64", ".rf64", ".bwf", ".au", ".snd"}
    | {".caf"}
)
"""Of files that can be analysed."""

PROPRIETARY_SUFFIXES = frozenset({".w4v", ".wac"})
"""Wildlife Acoustics' compressed formats: no open decoder exists."""

CONVERTIBLE_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".wv", ".ape", ".amr", ".mka", ".weba", ".mpc", ".tta", ".dsf", ".dff", ".spx"}
    | {".ra", ".ac3", ".3ga", ".tak"}
)
"""Of compressed audio that other programs can convert."""

_AUDIO_SIGNATURES = (b"fLaC", b"OggS", b".snd", b"caff", b"riff\x2e\x91\xcf\x11")
_CONVERTIBLE_SIGNATURES = (
    b"wvpk",
    b"MAC ",
    b"TTA1",
    b"MPCK",
    b"MP+",
    b"#!AMR",
    b"DSD ",
    b"tBaK",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),  # ASF, which WMA is
)
_MP4_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
_OTHER_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"SQLi")


def is_audio(start: bytes) -> bool:
    """Return whether a file with this start is in a format that can be analysed."""
    is_wav = start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE"
    is_aiff = start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC")
    return is_wav or is_aiff or start.startswith(_AUDIO_SIGNATURES) or start[:3] == b"ID3" or begins_with_frames(start)


def is_convertible(start: bytes) -> bool:
    """Return whether a file with this start is audio that has to be converted first."""
    return start.startswith(_CONVERTIBLE_SIGNATURES) or (start[4:8] == b"ftyp" and start[8:12] in _MP4_AUDIO_BRANDS)


def has_signature(start: bytes) -> bool:
    """Return whether a file with this start is in a known format. A `.wav` file without any has lost its header."""
    is_container = start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
    return is_container or is_audio(start) or is_convertible(start) or start.startswith(_OTHER_SIGNATURES)
