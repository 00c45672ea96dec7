"""Repeats the property tests of wire rows, HTTP requests and metadata: `python tests/fuzz/rounds.py --cpu-minutes 60`.

Each round draws other examples. The rounds end when they have used the CPU time, or with the first failure; Hypothesis
then stores the example in .hypothesis, and the next test run repeats it. PostgreSQL's own CPU time would not count, so
only SQLite is tested.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    "tests/base/ingest/test_fuzz.py",
    "tests/base/ingest/test_dead_letters.py",
    "tests/base/test_limits.py",
    "tests/base/web/test_hostile_requests.py",
    "tests/edge/sources/metadata",
    "tests/edge/wire",
)


def cpu_s() -> float:
    """Return the CPU time of the rounds that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu-minutes", type=float, default=60)
    minutes = parser.parse_args().cpu_minutes
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-k", "not postgresql", *TESTS]
    while cpu_s() < 60 * minutes:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if result.returncode:
            sys.exit(result.stdout[-20_000:])
        print(f"{cpu_s() / 60:.1f} CPU minutes: {result.stdout.splitlines()[-1]}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
