"""What the page is made of, wherever it is served: pieces of HTML, and files beside them."""

from html import escape
from importlib.resources import files
from pathlib import Path

STATIC = Path(str(files("anura_edge.explore") / "static"))
"""Scripts, styles and what is vendored; served under `static/explore/`."""

WAVESURFER_STYLE = "'sha256-YfOCfTH/jpiZwwDEWghNjme91S3Bbi2/3jQ3JSGWz5Y='"
"""The one inline style that a policy must let through, by its hash: wavesurfer.js writes it, for a waveform as high as
ours. It changes with either, and browsers then say which hash they saw."""

_STYLES = ("vendor/uPlot.min.css", "explore.css")
_SCRIPTS = ("vendor/uPlot.iife.min.js", "vendor/wavesurfer.min.js", "vendor/wavesurfer.regions.min.js")


def head(root: str) -> str:
    """Return what belongs into the page's head, below a root path such as `/anura`."""
    base = f"{escape(root)}/static/explore"
    styles = [f'<link rel="stylesheet" href="{base}/{file}">' for file in _STYLES]
    scripts = [f'<script src="{base}/{file}" defer></script>' for file in _SCRIPTS]
    return "\n".join([*styles, *scripts, f'<script src="{base}/explore.js" type="module"></script>'])


def content(root: str, token: str) -> str:
    """Return the page's content, with the token that its requests carry."""
    text = (STATIC / "explore.html").read_text(encoding="utf-8")
    return text.replace("{root}", escape(root)).replace("{token}", escape(token))
