"""A bundle that is unsigned, changed, older, too large, too slow or broken is refused, and the device keeps its own."""

import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Event as Stop
from threading import Thread
from typing import Any, ClassVar
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile as sf
from tiny_models import pack_bundle

import anura_edge.inference.packed_bundle as packed_module
import anura_edge.updates.install as install_module
import anura_edge.updates.self_test as self_test_module
from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.device import Config
from anura_edge.errors import ConfigError, ModelError
from anura_edge.events import NoticeKind
from anura_edge.inference.bundle import GOLDEN_SCORES, MANIFEST, MODEL
from anura_edge.inference.signature import sign
from anura_edge.sources.files.scan import scan
from anura_edge.updates.install import install
from anura_edge.updates.slots import TRIAL_STARTS, ModelSlots

pytest.importorskip("cryptography", reason="signatures need anura-edge[signing]")

from keys import write_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def package(
    tmp_path_factory: pytest.TempPathFactory,
    write_bundle: Callable[..., Path],
    stream_model: Any,
    keys: tuple[Path, Path],
) -> Callable[..., Path]:
    """Return a function that packs a signed bundle of a version, perhaps with files changed after that."""

    def pack(version: str, changed: dict[str, bytes] | None = None, **options: Any) -> Path:
        folder = write_bundle(tmp_path_factory.mktemp("made") / "tones", stream_model, version=version, **options)
        sign(folder, (folder / MANIFEST).read_bytes(), keys[0])
        for name, content in (changed or {}).items():
            (folder / name).write_bytes(content)
        return pack_bundle(folder, folder.with_name(f"{version}.zip"))

    return pack


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(state_dir=tmp_path / "state")


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, package: Callable[..., Path], keys: tuple[Path, Path]
) -> ModelSlots:
    slots = ModelSlots(tmp_path_factory.mktemp("installed") / "models")
    install(str(package("1.0.0")), slots, keys[1], allow_slower=True)
    slots.confirm()
    return slots


@pytest.fixture
def slots(config: Config, installed: ModelSlots) -> ModelSlots:
    """A device that uses version 1.0.0."""
    shutil.copytree(installed.folder, config.models_path)
    return ModelSlots(config.models_path)


def version_in_use(config: Config) -> tuple[str, list[str]]:
    """Start the device once. Return the version of its model, and what it tells the base station about models."""
    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        rows = [queued.row for queued in runtime.journal.outbox.pending(0, 100)]
    told = [row.detail for row in rows if getattr(row, "what", "") == NoticeKind.MODEL_REFUSED]
    return runtime.manifest.version, told


def test_newer_signed_bundle_is_used_from_the_next_start(
    config: Config, slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path]
) -> None:
    assert version_in_use(config) == ("1.0.0", [])
    bundle, measured = install(str(package("1.10.0")), slots, keys[1])
    assert (bundle.manifest.version, measured.difference < 1e-3) == ("1.10.0", True)
    assert version_in_use(config) == ("1.10.0", [])


def npy(scores: "np.ndarray[Any, Any]") -> bytes:
    file = BytesIO()
    np.save(file, scores)
    return file.getvalue()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "changed after signing": ({"changed": {MODEL: b"another model"}}, "is damaged"),
    "manifest changed after signing": ({"changed": {MANIFEST: b"{}"}}, "not signed with the key"),
    "a model that cannot be loaded": ({"files": {MODEL: b"no graph"}}, "self-test failed"),
    "no longer the golden scores": (
        {"files": {GOLDEN_SCORES: npy(np.zeros((3, 2)))}},
        "scores of the golden clip differ",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_bundle_is_refused_and_the_base_station_told(
    config: Config, slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], kind: str
) -> None:
    options, message = BAD[kind]
    with pytest.raises(ModelError, match=message):
        install(str(package("2.0.0", **options)), slots, keys[1])
    version, told = version_in_use(config)
    assert version == "1.0.0"
    assert len(told) == 1
    assert message in told[0]


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0"])
def test_older_or_equal_version_is_refused(
    slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], version: str
) -> None:
    path = package(version)
    with pytest.raises(ModelError, match=r"not newer than 1\.0\.0"):
        install(str(path), slots, keys[1])


def test_unsigned_bundle_is_refused(slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path]) -> None:
    path = package("2.0.0")
    with pytest.raises(ConfigError, match="only signed"):
        install(str(path), slots, None)
    other = path.with_name("unsigned.zip")
    with ZipFile(path) as old, ZipFile(other, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".sig"):
                new.writestr(entry, old.read(entry))
    with pytest.raises(ModelError, match="not signed"):
        install(str(other), slots, keys[1])


def test_bundle_that_does_not_end_is_refused(
    slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test_module, "MAX_SECONDS", 0.01)
    with pytest.raises(ModelError, match="did not end"):
        install(str(package("2.0.0")), slots, keys[1])


def test_much_slower_bundle_is_refused(
    slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install_module, "MAX_SLOWDOWN", 1e-9)
    with pytest.raises(ModelError, match="times the processor time"):
        install(str(package("2.0.0")), slots, keys[1])


def test_too_large_bundle_is_refused_while_it_is_unpacked(
    slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_module, "MAX_MODEL_BYTES", 1_000)
    with pytest.raises(ModelError, match="unpacks to more"):
        install(str(package("2.0.0")), slots, keys[1])


@pytest.mark.parametrize("name", ["tones/../../evil", "/etc/evil", "tones/golden/../../../evil", "tones/.hidden"])
def test_name_that_leads_out_of_the_bundle_is_refused(
    slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path], name: str
) -> None:
    path = package("2.0.0")
    with ZipFile(path, "a") as file:
        file.writestr(name, "evil")
    with pytest.raises(ModelError, match="no file of a bundle"):
        install(str(path), slots, keys[1])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"unknown": 1}', b"\xff"])
def test_damaged_list_of_bundles_starts_the_bundle_of_the_program_and_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.json").write_bytes(content)
    slots = ModelSlots(tmp_path)
    assert slots.current is None
    assert "is damaged" in slots.take_refused()
    assert slots.take_refused() == "", "once"


def test_installed_bundle_that_is_damaged_later_is_rolled_back(
    config: Config, slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path]
) -> None:
    install(str(package("2.0.0")), slots, keys[1])
    assert slots.current
    (slots.current / MODEL).write_bytes(b"damaged")
    version, told = version_in_use(config)
    assert (version, len(told)) == ("1.0.0", 1)


def test_bundle_with_which_the_device_never_works_is_rolled_back(
    config: Config, slots: ModelSlots, package: Callable[..., Path], keys: tuple[Path, Path]
) -> None:
    install(str(package("2.0.0")), slots, keys[1])
    assert [version_in_use(config)[0] for _ in range(TRIAL_STARTS)] == ["2.0.0"] * TRIAL_STARTS
    version, told = version_in_use(config)
    assert version == "1.0.0"
    assert "never worked" in told[0]


def test_bundle_that_has_analysed_a_recording_is_kept(
    config: Config,
    slots: ModelSlots,
    package: Callable[..., Path],
    keys: tuple[Path, Path],
    tmp_path: Path,
    two_calls: Callable[..., FloatArray],
) -> None:
    install(str(package("2.0.0")), slots, keys[1])
    (tmp_path / "card").mkdir()
    sf.write(tmp_path / "card" / "A_20261120_193000.wav", np.asarray(two_calls()), 8_000)
    with DeviceRuntime(config, lambda _: None, Stop()) as runtime:
        runtime.scan_files(scan(tmp_path / "card"))
    assert slots.state.starts_on_trial is None
    assert [version_in_use(config)[0] for _ in range(TRIAL_STARTS + 1)] == ["2.0.0"] * (TRIAL_STARTS + 1)


class HalfServer(BaseHTTPRequestHandler):
    """Serves a file, but breaks off in the middle, unless the client asks for the rest."""

    content = b""
    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.ranges.append(str(start))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start:] if start else self.content[: len(self.content) // 2])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name that http.server calls)
        pass


@pytest.fixture
def half_server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), HalfServer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_that_broke_off_continues(
    slots: ModelSlots,
    package: Callable[..., Path],
    keys: tuple[Path, Path],
    half_server: ThreadingHTTPServer,
) -> None:
    HalfServer.content = package("2.0.0").read_bytes()
    HalfServer.ranges.clear()
    url = f"http://127.0.0.1:{half_server.server_port}/tones.zip"
    with pytest.raises(ModelError, match="the download continues"):
        install(url, slots, keys[1])
    bundle, _ = install(url, slots, keys[1])
    assert bundle.manifest.version == "2.0.0"
    assert HalfServer.ranges == ["0", str(len(HalfServer.content) // 2)]


def test_too_large_download_ends_and_leaves_nothing(
    slots: ModelSlots,
    package: Callable[..., Path],
    keys: tuple[Path, Path],
    half_server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    HalfServer.content = package("2.0.0").read_bytes()
    monkeypatch.setattr("anura_edge.updates.fetch.MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="larger than 100 bytes"):
        install(f"http://127.0.0.1:{half_server.server_port}/tones.zip", slots, keys[1])
    assert [*(slots.folder / "downloads").iterdir()] == []
