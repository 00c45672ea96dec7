"""Finds the audio in a file of any format that can be analysed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from anura_edge.errors import UnreadableError
from anura_edge.sources.files.regular_file import open_regular, unreadable_error
from anura_edge.sources.formats.aiff import parse_aiff
from anura_edge.sources.formats.au import parse_au
from anura_edge.sources.formats.caf import parse_caf
from anura_edge.sources.formats.flac import parse_flac
from anura_edge.sources.formats.layout import AudioLayout
from anura_edge.sources.formats.mpeg import parse_mpeg
from anura_edge.sources.formats.ogg import parse_ogg
from anura_edge.sources.formats.riff import parse_wav

Parser = Callable[[BinaryIO, int], AudioLayout | None]

PARSERS: tuple[Parser, ...] = (parse_wav, parse_flac, parse_aiff, parse_caf, parse_au, parse_ogg, parse_mpeg)
"""MP3 is the last one: it has no signature, so its frames are searched for."""


def find_audio(path: Path) -> AudioLayout | None:
    """Return where the audio of a file lies. None if its format is not known here: libsndfile may know it.

    Raises UnreadableError if it cannot be read, or if its header does not lead to audio.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            return next((layout for parse in PARSERS if (layout := parse(file, size))), None)
    except OSError as error:
        raise unreadable_error(path, error) from error
    except UnreadableError as error:
        raise UnreadableError(error.reason, f"{path}: {error}") from error
