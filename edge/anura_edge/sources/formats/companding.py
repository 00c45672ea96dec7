"""Expands A-law and µ-law, in which telephones and some recorders store 13 bits in 8. Standard: ITU-T G.711."""

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def expansion(codec: str) -> NDArray[np.int16]:
    """Return the sample for each of the 256 codes of `alaw` or `ulaw`."""
    expand = _expand_alaw if codec == "alaw" else _expand_ulaw
    return np.array([expand(code) for code in range(256)], np.int16)


def _expand_alaw(code: int) -> int:
    code ^= 0x55
    exponent, size = code >> 4 & 7, (code & 15) << 4 | 8
    if exponent:
        size = (size | 0x100) << exponent - 1
    return size if code & 0x80 else -size


def _expand_ulaw(code: int) -> int:
    code ^= 0xFF
    size = (((code & 15) << 3 | 0x84) << (code >> 4 & 7)) - 0x84
    return -size if code & 0x80 else size
