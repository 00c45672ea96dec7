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
    | {".ra", ".ac3", ".3ga", ".tak", ".dss", ".ds2"}
)
"""Of compressed audio that other programs can convert."""

_AUDIO_SIGNATURES = (
    b"fLaC",
    b"OggS",
    b".snd",
    b"caff",
    b"riff\x2e\x91\xcf\x11",
    b"Creative Voice File\x1a",
    b"NIST_1A\n",
    b"2BIT",  # AVR
    b" paf",
    b"fap ",
    b"PVF1\n",
    b"ALawSoundFile**",
    *(bytes([0x64, 0xA3, machine, 0]) for machine in range(1, 5)),  # IRCAM
    *(bytes([0, machine, 0xA3, 0x64]) for machine in range(1, 5)),
)
"""The latter ones are rare, and libsndfile decodes them."""
_CONVERTIBLE_SIGNATURES = (
    b"wvpk",
    b"MAC ",
    b"TTA1",
    b"MPCK",
    b"MP+",
    b"#!AMR",
    b"DSD ",
    b"tBaK",
    b"\x02dss",
    b"\x03ds2",
    b".ra\xfd",
    b".RMF",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),  # ASF, which WMA is
)
_MP4_AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
_OTHER_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"SQLi")


def is_audio(start: bytes) -> bool:
    """Return whether a file with this start is in a format that can be analysed."""
    is_wav = start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE"
    is_aiff = start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV")
    return is_wav or is_aiff or start.startswith(_AUDIO_SIGNATURES) or start[:3] == b"ID3" or begins_with_frames(start)


def is_convertible(start: bytes) -> bool:
    """Return whether a file with this start is audio that has to be converted first."""
    is_mp4 = start[4:8] == b"ftyp" and start[8:12] in _MP4_AUDIO_BRANDS
    return start.startswith(_CONVERTIBLE_SIGNATURES) or is_mp4 or _begins_with_adts(start)


def _begins_with_adts(start: bytes) -> bool:
    """Return whether two frames of AAC follow each other. Format: ISO/IEC 13818-7."""
    size = int.from_bytes(start[3:6], "big") >> 5 & 0x1FFF
    heads = start[:2], start[size : size + 2]
    return size > 7 and heads[0] == heads[1] and heads[0] in (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")


def has_signature(start: bytes) -> bool:
    """Return whether a file with this start is in a known format. A `.wav` file without any has lost its header."""
    is_container = start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM")
    return is_container or is_audio(start) or is_convertible(start) or start.startswith(_OTHER_SIGNATURES)
