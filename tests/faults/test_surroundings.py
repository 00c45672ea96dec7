"""Changes around a real device: its clock is set, its card is removed, or a file on it is still written."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import soundfile as sf
from faultlab.cards import samples_in_headers, write_card
from faultlab.device_process import DeviceProcess
from faultlab.fault_report import compare, journal_ids
from faultlab.servers import Servers
from support import eventually, need

QUICK_WATCH = {"WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0.2"}


def all_arrived(servers: Servers, device: str, edge: DeviceProcess, header_samples: dict[str, int]) -> bool:
    """Whether all committed rows are at the base station, and each sample of the files is counted once."""
    rows = journal_ids(edge.state / "journal.db")
    return not edge.pending() and not compare(servers, device, edge.state, rows, header_samples).violations


@pytest.fixture
def clock(tmp_path: Path) -> tuple[list[str], Callable[[str], None]]:
    """A clock that can be set: the command prefix to run a program with it, and a function to set it, as in "+365d"."""
    need("faketime")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    setting = tmp_path / "clock"
    variables = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": setting,
        "FAKETIME_NO_CACHE": 1,
        "NO_FAKE_STAT": 1,  # nor the times of files
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,  # setting a clock does not move the monotonic one
    }
    return ["env", *(f"{name}={value}" for name, value in variables.items())], setting.write_text


@pytest.mark.parametrize(("before", "after"), [("+0", "+365d"), ("+0", "-365d"), ("-20000d", "+0"), ("+0", "+3600")])
def test_clock_change_loses_and_repeats_no_event(
    servers: Servers, clock: tuple[list[str], Callable[[str], None]], before: str, after: str
) -> None:
    clock_prefix, set_clock = clock
    name = f"clock{before}{after}".replace("+", "p")
    cards = [write_card(servers.folder / f"{name}-{n}", 4, seed=crc32(f"{name}-{n}".encode())) for n in range(2)]
    set_clock(before)
    with DeviceProcess(servers, name, QUICK_WATCH, clock_prefix) as edge:
        for number, card in enumerate(cards):
            for file in sorted(card.iterdir())[:-2]:  # complete files: a truncated one may still grow
                shutil.copy2(file, edge.card / f"{number}{file.name}")
            header_samples = samples_in_headers(edge.card)
            eventually(lambda header_samples=header_samples: all_arrived(servers, name, edge, header_samples))
            set_clock(after)
    for event in servers.base.rows(name, "event"):
        assert event["end_utc"] >= event["start_utc"]


def test_growing_file_is_analysed_once_and_whole(servers: Servers, tmp_path: Path) -> None:
    whole = (write_card(tmp_path / "card", 3, seed=77) / "BENCH_20260412_000000.wav").read_bytes()
    with DeviceProcess(servers, "growing", QUICK_WATCH) as edge:
        path = edge.card / "BENCH_20260412_000000.wav"
        for part in np.array_split(np.frombuffer(whole, np.uint8), 20):
            with path.open("ab") as file:
                file.write(part.tobytes())
            eventually(lambda: not edge.pending())
        eventually(lambda: all_arrived(servers, "growing", edge, samples_in_headers(edge.card)))
    assert len({row["recording"] for row in servers.base.rows("growing", "effort")}) == 1


def test_damaged_file_is_named_and_others_are_analysed(servers: Servers) -> None:
    with DeviceProcess(servers, "many", QUICK_WATCH) as edge:
        for number in range(250):
            noise = np.random.default_rng(number).normal(0, 0.01, 2_400).astype(np.float32)
            sf.write(edge.card / f"{number:04}.wav", noise, 24_000, subtype="PCM_16")
        header_samples = samples_in_headers(edge.card)
        damaged = edge.card / "0100.wav"
        damaged.write_bytes(b"junk" + damaged.read_bytes()[4:])
        del header_samples["0100.wav"]
        for path in edge.card.iterdir():
            os.utime(path, (0, 0))
        eventually(lambda: all_arrived(servers, "many", edge, header_samples))
    (notice,) = servers.base.rows("many", "notice")
    assert "0100.wav" in notice["detail"]


@pytest.fixture
def card_reader(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None], Callable[[], None]]]:
    """A card reader, and functions to remove and insert its card: an ext4 image on a loop device.

    Without its image the device gives EIO, as a reader without its card.
    """
    for program in ("losetup", "mkfs.ext4", "mount"):
        need(program)
    image, spare, mount = tmp_path / "card.img", tmp_path / "spare.img", tmp_path / "reader"
    mount.mkdir()
    card = write_card(tmp_path / "card", 24, seed=4)
    image.write_bytes(b"")
    os.truncate(image, 64_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-d", card, image], check=True)
    shutil.copy(image, spare)

    def insert() -> None:
        shutil.copy(spare, image)
        subprocess.run(["mount", "-o", "loop,ro", image, mount], check=True)

    def remove() -> None:
        os.truncate(image, 0)
        subprocess.run(["umount", "-l", mount], check=True)

    try:
        insert()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine mounts no image: {error}")
    yield mount, remove, insert
    with suppress(subprocess.CalledProcessError):
        subprocess.run(["umount", "-l", mount], check=True, stderr=subprocess.DEVNULL)


def test_removed_card_is_finished_after_its_return(
    servers: Servers, tmp_path: Path, card_reader: tuple[Path, Callable[[], None], Callable[[], None]]
) -> None:
    mount, remove, insert = card_reader
    with DeviceProcess(servers, "pulled", QUICK_WATCH, card=mount) as edge:
        for times in range(1, 4):
            eventually(lambda times=times: len(servers.base.rows("pulled", "effort")) >= 5 * times)
            remove()
            assert edge.process.poll() is None
            insert()
        header_samples = samples_in_headers(tmp_path / "card")
        eventually(lambda: all_arrived(servers, "pulled", edge, header_samples))
    assert "Traceback" not in edge.log_text
