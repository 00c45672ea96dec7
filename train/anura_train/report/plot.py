"""How all plates look: legible in print, without colours that some eyes confuse."""

from dataclasses import dataclass
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure

OWN_COLOUR, OTHER_COLOUR = "#0072B2", "#D55E00"
"""Blue and vermilion of Okabe and Ito (2008), which differ in lightness too."""
GREY = "#555555"
HEATMAP = "Blues"
"""One hue from white to dark (Brewer 2003): nothing is the paper's colour, and grey prints keep the order."""
NO_DATA_COLOUR = "#dddddd"

WIDTH_IN, DPI = 9.0, 160


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture of the page."""

    name: str
    """Of its file, without the suffix."""
    title: str
    caption: str
    """What it shows and how to read it."""
    png: bytes


def new_figure(height_in: float) -> Figure:
    """Return an empty figure of the page's width."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def to_plot(name: str, title: str, caption: str, figure: Figure) -> Plot:
    """Return a figure as a plate."""
    file = BytesIO()
    # Without the program's version, the same figure is the same file.
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return Plot(name, title, caption, file.getvalue())


def style_axes(axes: Axes) -> None:
    """Leave only what tells something: no box, faint lines behind."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
