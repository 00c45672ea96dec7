"""Writes what a release consists of: a CycloneDX 1.6 bill of materials, and a table of licences.

    python deploy/release/inventory.py build/release --extra base

The packages are those that an installation of anura-edge needs, as they are installed in the Python that runs this.
Names, versions and licences come from the metadata of the packages (PEP 639, else the field License, else classifiers).
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = "anura-edge"
UNKNOWN = "unknown"


def packages(extras: Sequence[str]) -> list[Distribution]:
    """Return the package and all packages that it needs, by name. Raises SystemExit if one is not installed."""
    found: dict[str, Distribution] = {}
    waiting = [(ROOT, tuple(extras))]
    while waiting:
        name, wanted = waiting.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is not installed; install anura-edge with its extras first")
        if key(package) in found and not wanted:
            continue
        found[key(package)] = package
        waiting += list(_needs(package, wanted))
    return [found[name] for name in sorted(found)]


def key(package: Distribution) -> str:
    """Return the normal form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()


def licence(package: Distribution) -> str:
    """Return the licence of a package: an SPDX expression, or the words of its authors."""
    metadata = package.metadata
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if "License ::" in line]
    expression, named = (next(iter(metadata.get_all(name, [])), "") for name in ("License-Expression", "License"))
    return expression or next(iter(named.strip().splitlines()), "") or ", ".join(classifiers) or UNKNOWN


def bill_of_materials(found: Sequence[Distribution]) -> dict[str, Any]:
    """Return a CycloneDX 1.6 document. It has no time and no random number, so equal releases have equal documents."""
    root, others = found[[key(each) for each in found].index(ROOT)], [each for each in found if key(each) != ROOT]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", **_component(root)}},
        "components": [{"type": "library", **_component(each)} for each in others],
        "dependencies": [
            {"ref": _reference(each), "dependsOn": sorted({_reference(need) for need in _installed_needs(each, found)})}
            for each in found
        ],
    }


def licence_table(found: Sequence[Distribution]) -> str:
    """Return a Markdown table of packages, versions and licences."""
    rows = [f"| {key(each)} | {each.version} | {licence(each)} |" for each in found]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows, ""])


def _needs(package: Distribution, extras: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the packages that a package needs on this computer, with their extras."""
    from packaging.requirements import Requirement

    for text in package.requires or ():
        need = Requirement(text)
        if not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield need.name, tuple(sorted(need.extras))


def _installed_needs(package: Distribution, found: Sequence[Distribution]) -> Iterator[Distribution]:
    known = {key(each): each for each in found}
    for name, _ in _needs(package, ("base",) if key(package) == ROOT else ()):
        if each := known.get(re.sub(r"[-_.]+", "-", name).lower()):
            yield each


def _component(package: Distribution) -> dict[str, Any]:
    return {
        "name": key(package),
        "version": package.version,
        "purl": _reference(package),
        "bom-ref": _reference(package),
        "licenses": [{"license": {"name": licence(package)}}],
    }


def _reference(package: Distribution) -> str:
    return f"pkg:pypi/{key(package)}@{package.version}"


def main() -> None:
    """Write `sbom.json` and `licences.md`. End with code 1 if a licence is unknown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--extra", action="append", default=[])
    arguments = parser.parse_args()
    found = packages(arguments.extra)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "sbom.json").write_text(json.dumps(bill_of_materials(found), indent=1) + "\n", encoding="utf-8")
    (arguments.out / "licences.md").write_text(licence_table(found), encoding="utf-8")
    unknown = [key(each) for each in found if licence(each) == UNKNOWN]
    print(f"{len(found)} packages, {len(unknown)} without a licence: {', '.join(unknown) or 'none'}")
    sys.exit(bool(unknown))


if __name__ == "__main__":
    main()
