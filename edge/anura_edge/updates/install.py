"""Installs a bundle: fetch, unpack, check, try, switch. If a step fails, the device keeps the bundle that it uses."""

from pathlib import Path

from anura_edge.errors import ConfigError, ModelError
from anura_edge.inference.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from anura_edge.inference.packed_bundle import unpack
from anura_edge.updates.fetch import fetch
from anura_edge.updates.self_test import SelfTest, self_test
from anura_edge.updates.slots import ModelSlots

MAX_SLOWDOWN = 5.0
"""A bundle that needs so many times the processor time of the current one is refused without `allow_slower`."""


def install(
    source: str, slots: ModelSlots, public_key: Path | None, *, unsigned: bool = False, allow_slower: bool = False
) -> tuple[Bundle, SelfTest]:
    """Install a bundle from a file or a URL. The device uses it from its next start on.

    Raises ConfigError, or ModelError if the bundle is unsigned, changed, too large, older, too slow, or fails its test.
    """
    if not public_key and not unsigned:
        raise ConfigError("only signed models are installed: set model.public_key_file, or write --unsigned")
    try:
        package = fetch(source, slots.downloads)
        try:
            return install_file(package, slots, public_key, allow_slower=allow_slower)
        finally:
            if "://" in source:
                package.unlink()
    except ModelError as error:
        slots.record_refused(f"{source}: {error}")
        raise


def install_file(
    package: Path, slots: ModelSlots, public_key: Path | None, *, allow_slower: bool = False
) -> tuple[Bundle, SelfTest]:
    """Install a bundle from its zip file. Raises ModelError as `install` does."""
    with slots.staging() as folder:
        staged = folder / "bundle"
        staged.mkdir()
        unpack(package, staged)
        bundle = load_bundle(staged, public_key)
        check_version(bundle.manifest.id, bundle.manifest.version, slots)
        measured = _try(bundle, slots, allow_slower=allow_slower)
        slots.install(staged, bundle.manifest.id, bundle.manifest.version)
    return bundle, measured


def check_version(model: str, version: str, slots: ModelSlots) -> None:
    """Raise ModelError for a version that is not newer than each one before: an old one may have known faults."""
    newest = slots.state.versions.get(model)
    if newest and _numbers(version) <= _numbers(newest):
        raise ModelError(f"{model} {version} is not newer than {newest}, which was installed before")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _try(bundle: Bundle, slots: ModelSlots, *, allow_slower: bool) -> SelfTest:
    measured = self_test(bundle.path)
    if not allow_slower:
        now = self_test(slots.current or DEFAULT_BUNDLE)
        if measured.s_per_audio_s > MAX_SLOWDOWN * now.s_per_audio_s:
            raise ModelError(
                f"{bundle.manifest.id} {bundle.manifest.version} needs {measured.s_per_audio_s / now.s_per_audio_s:.0f}"
                " times the processor time of the model in use; write --allow-slower if that is intended"
            )
    return measured
