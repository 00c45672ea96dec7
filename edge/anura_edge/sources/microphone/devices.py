"""Finds microphones with PortAudio."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from anura_edge.errors import SourceError

_CARD = re.compile(r" \(hw:(\d+),\d+\)$")


class NoPortAudioError(SourceError):
    """PortAudio is not installed, so no microphone can be opened."""


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A microphone, or another input of a sound card."""

    index: int
    """PortAudio's number. It changes when something is plugged in, and when the machine restarts."""

    name: str
    channels: int
    rate_hz: int
    is_default: bool
    usb: str | None
    """Vendor and product, as in `0d8c:0014`. None if it is not a USB sound card."""

    @property
    def stable_name(self) -> str:
        """The name without ALSA's card number. That number may change after a restart, as `index` does."""
        return _CARD.sub("", self.name)


def list_devices() -> list[InputDevice]:
    """Return all input devices.

    Raises NoPortAudioError if PortAudio is not installed.
    """
    sd = load_sounddevice()
    default = sd.default.device[0]
    return [
        InputDevice(
            index,
            info["name"],
            info["max_input_channels"],
            round(info["default_samplerate"]),
            index == default,
            usb_id(info["name"]),
        )
        for index, info in enumerate(sd.query_devices())
        if info["max_input_channels"] > 0
    ]


def find_device(wanted: int | str | None) -> InputDevice:
    """Return the device with a number, a USB id, a name or a part of a name. None is the system's default.

    Raises SourceError that lists the available devices.
    """
    available = list_devices()
    if wanted is None:
        found = [device for device in available if device.is_default] or available[:1]
    elif isinstance(wanted, int):
        found = [device for device in available if device.index == wanted]
    else:
        found = [device for device in available if wanted in (device.name, device.stable_name, device.usb)]
        found = found or [device for device in available if wanted.lower() in device.name.lower()]
    if found:
        return found[0]
    names = "; ".join(f"{device.index} {device.name!r}" for device in available) or "none: plug one in"
    what = "no microphone" if wanted is None else f"no microphone {wanted!r}"
    raise SourceError(f"{what}; available: {names} (see `anura-edge devices`, set audio.microphone)")


def usb_id(name: str, cards: Path = Path("/proc/asound")) -> str | None:
    """Return the USB id of an ALSA card, found by the card number in PortAudio's name for it."""
    match = _CARD.search(name)
    try:
        return (cards / f"card{match[1]}" / "usbid").read_text(encoding="ascii").strip() if match else None
    except OSError:
        return None


def load_sounddevice() -> ModuleType:
    """Import sounddevice, which loads PortAudio.

    Raises NoPortAudioError if PortAudio is not installed.
    """
    try:
        import sounddevice
    except OSError as error:
        raise NoPortAudioError(f"microphones need PortAudio ({error}); on Debian: apt install libportaudio2") from error
    else:
        return sounddevice  # type: ignore[no-any-return]
