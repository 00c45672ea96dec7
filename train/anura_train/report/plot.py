"""Style of all plots: legible in print, with colours that colour-blind readers can tell apart."""

from dataclasses import dataclass
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure

OWN_COLOUR, OTHER_COLOUR = "#0072B2", "#D55E00"
"""Blue and vermilion of Okabe and Ito (2008), which also differ in lightness."""
GREY = "#555555"
HEATMAP = "Blues"
"""One hue from white to dark (Brewer 2003): zero has the colour of paper, and grey prints keep the order."""
NO_DATA_COLOUR = "#dddddd"

WIDTH_IN, DPI = 9.0, 160


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot of the report, as PNG with a caption."""

    name: str
    """File name without suffix."""
    title: str
    caption: str
    """Explains what the plot shows."""
    png: bytes


def new_figure(height_in: float) -> Figure:
    """Return an empty figure with the width of the page."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def to_plot(name: str, title: str, caption: str, figure: Figure) -> Plot:
    """Return a figure as a plot."""
    file = BytesIO()
    # Without the program version in it, equal figures give equal files.
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return Plot(name, title, caption, file.getvalue())


def style_axes(axes: Axes) -> None:
    """Remove the top and right spines, and draw a faint grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
