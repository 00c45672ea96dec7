"""Time and memory of `card check` for damaged files: `python bench/damaged_files.py [FOLDER]`.

Prints, for each damaged file and card that the tests synthesise, and for each file of FOLDER, the time of one check and
the peak memory that Python and numpy allocated for it.
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


def check(folder: Path) -> str:
    """Return the states of the files on a card."""
    card = summarise_card(list(survey_card(folder, None)), datetime.now(UTC))
    return ", ".join(f"{count} {state}" for state, count in card.states.items())


def measure(folder: Path) -> tuple[float, float, str]:
    """Return seconds, MB and the states. Two checks, because measuring the memory takes time."""
    began = time.perf_counter()
    states = check(folder)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    check(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / 1e6, states


def cases(real: Path | None) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """Yield each card's name, and a function that writes it into a folder."""
    for name, broken in FILES.items():
        yield name, partial(_write, broken.name, broken.content)
    yield from CARDS.items()
    for path in sorted(real.iterdir()) if real else ():
        yield path.name, partial(_write, path.name, path.read_bytes())


def _write(name: str, content: bytes, folder: Path) -> None:
    (folder / name).write_bytes(content)


def main(real: Path | None) -> None:
    """Print the table."""
    print(f"{'card':<40} {'ms':>7} {'MB':>6}  states")
    worst_s, worst_mb = 0.0, 0.0
    for name, make in cases(real):
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            seconds, peak_mb, states = measure(Path(folder))
        worst_s, worst_mb = max(worst_s, seconds), max(worst_mb, peak_mb)
        print(f"{name:<40} {1e3 * seconds:7.1f} {peak_mb:6.2f}  {states}")
    print(f"{'maximum':<40} {1e3 * worst_s:7.1f} {worst_mb:6.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
