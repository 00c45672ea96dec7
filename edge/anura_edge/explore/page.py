"""The page's HTML fragments and static files, for the device and for the base station."""

from html import escape
from importlib.resources import files
from pathlib import Path

STATIC = Path(str(files("anura_edge.explore") / "static"))
"""Scripts, styles and vendored libraries; served under `static/explore/`."""

WAVESURFER_STYLE = "'sha256-YfOCfTH/jpiZwwDEWghNjme91S3Bbi2/3jQ3JSGWz5Y='"
"""Hash of the one inline style that the content security policy must allow. wavesurfer.js writes it.

It depends on the library's version and on the waveform's height. After a change, the browser's log names the new hash.
"""

_STYLES = ("vendor/uPlot.min.css", "explore.css")
_SCRIPTS = ("vendor/uPlot.iife.min.js", "vendor/wavesurfer.min.js", "vendor/wavesurfer.regions.min.js")


def head(root: str) -> str:
    """Return the elements for the page's head. `root` is the path below which the page is served, as in `/anura`."""
    base = f"{escape(root)}/static/explore"
    styles = [f'<link rel="stylesheet" href="{base}/{file}">' for file in _STYLES]
    scripts = [f'<script src="{base}/{file}" defer></script>' for file in _SCRIPTS]
    return "\n".join([*styles, *scripts, f'<script src="{base}/explore.js" type="module"></script>'])


def content(root: str, token: str) -> str:
    """Return the page's content. `token` is the CSRF token that its requests send."""
    text = (STATIC / "explore.html").read_text(encoding="utf-8")
    return text.replace("{root}", escape(root)).replace("{token}", escape(token))
