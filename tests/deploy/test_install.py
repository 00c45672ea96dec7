"""The base install is small, and contains no library that only training or the base station needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_SITE_PACKAGES_MB = 175

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

OF_EXTRAS = {"dask", "distributed", "fsspec", "matplotlib", "pyarrow"}
"""What modules for one extra import, which no command loads without it."""

MEASURE = """
import importlib.metadata, json, pathlib, pkgutil, sys, sysconfig
import anura_edge
missing = set()
for module in pkgutil.walk_packages(anura_edge.__path__, "anura_edge."):
    try:
        __import__(module.name)
    except ModuleNotFoundError as error:
        missing.add(error.name.partition(".")[0])
site = pathlib.Path(sysconfig.get_path("purelib"))
packages = [entry for entry in site.iterdir() if not entry.name.startswith(("pip", "setuptools"))]
files = [file for entry in packages for file in [entry, *entry.rglob("*")] if file.is_file()]
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "missing": sorted(missing),
    "installed": sorted(d.name.lower() for d in importlib.metadata.distributions()),
    "mb": sum(file.stat().st_size for file in files if file.suffix != ".pyc") / 1e6,
}))
"""


@pytest.mark.timeout(600)
def test_wheel_is_reproducible_small_and_works_without_a_network(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [*PIP, "--python", python, "install", "--quiet", "--no-compile"]
    wheel, again = _build_wheels(tmp_path)
    assert again.read_bytes() == wheel.read_bytes(), "equal sources make equal wheels"
    subprocess.run([*install, "--constraint", ROOT / "constraints.txt", wheel], check=True, cwd=tmp_path)
    output = subprocess.run([python, "-c", MEASURE], check=True, cwd=tmp_path, stdout=subprocess.PIPE).stdout
    found = json.loads(output)
    heavy = {"torch", "torchaudio", "onnx", "fastapi", "sqlalchemy", "scipy", "sklearn", "timm"}
    assert not heavy & {*found["modules"], *found["installed"]}
    assert {*found["missing"]} <= OF_EXTRAS
    assert found["mb"] <= MAX_SITE_PACKAGES_MB, f"{found['mb']:.0f} MB"

    command = [*_without_network(), python.with_name("anura-edge"), "demo", "--json"]
    demo = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert demo.returncode == 0
    assert json.loads(demo.stdout.splitlines()[-1])["summary"]["new"] == 6


def _build_wheels(folder: Path) -> list[Path]:
    """Build the wheel twice, without a cache, in which pip could find an older one."""
    tools = folder / "tools"
    subprocess.run([*PIP, "install", "--quiet", "--target", tools, "hatchling"], check=True)
    for name in ("first", "second"):
        build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder / name]
        subprocess.run(build, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tools)}, capture_output=True)
    return sorted(folder.glob("*/anura_edge-*.whl"))


def _without_network() -> list[str]:
    """Return a prefix that runs a command in an empty network, if this user may make one."""
    prefix = ["unshare", "--net"]
    return prefix if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0 else []
