"""How long and how much memory the worst files on a card take: `python bench/broken.py [FOLDER]`.

Prints, for each broken file and card that the tests synthesise, and for each file of a folder of real ones, the time of
one look, and the most memory that Python and numpy held for it.
"""

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from broken_cards import CARDS, FILES

from anura_edge.card.report import summarise_card
from anura_edge.card.survey import survey_card


def look(folder: Path) -> str:
    """Return what is found on a card."""
    card = summarise_card(list(survey_card(folder, None)), datetime.now(UTC))
    return ", ".join(f"{count} {state}" for state, count in card.states.items())


def timed(folder: Path) -> tuple[float, float, str]:
    """Look twice: once for the time, once for the memory, which costs time to measure."""
    began = time.perf_counter()
    found = look(folder)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    look(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6, found


def cases(real: Path | None) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Name each card, and how to write it into a folder."""
    for name, broken in FILES.items():
        yield name, partial(_write, broken.name, broken.content)
    yield from CARDS.items()
    for path in sorted(real.iterdir()) if real else ():
        yield path.name, partial(_write, path.name, path.read_bytes())


def _write(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)


def main(real: Path | None) -> None:
    """Print the table."""
    print(f"{'card':<40} {'ms':>7} {'MB':>6}  found")
    worst_s, worst_mb = 0.0, 0.0
    for name, make in cases(real):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            seconds, peak_mb, found = timed(Path(folder))
        worst_s, worst_mb = max(worst_s, seconds), max(worst_mb, peak_mb)
        print(f"{name:<40} {1e3 * seconds:7.1f} {peak_mb:6.2f}  {found}")
    print(f"{'the worst':<40} {1e3 * worst_s:7.1f} {worst_mb:6.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
