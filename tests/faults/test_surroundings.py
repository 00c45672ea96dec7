"""What happens around a real device: its clock is set, its card is pulled, a file on it is still being written."""

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
from faultlab.backlog import Edge
from faultlab.cards import samples_of, write_card
from faultlab.field import Field
from faultlab.ledger import ids_in, settle
from support import eventually, need

QUICK = {"WATCH__INTERVAL_S": "0.2", "WATCH__DEBOUNCE_S": "0.2"}


def everything_arrived(field: Field, device: str, edge: Edge, promised: dict[str, int]) -> bool:
    """Whether all that the device committed is at the base station, and each sample of its files accounted for."""
    rows = ids_in(edge.state / "journal.db")
    return not edge.pending() and not settle(field, device, edge.state, rows, promised).broken


@pytest.fixture
def clock(tmp_path: Path) -> tuple[list[str], Callable[[str], None]]:
    """A clock that can be set: how to run a program by it, and how to set it, as in "+365d"."""
    need("faketime")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    setting = tmp_path / "clock"
    variables = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": setting,
        "FAKETIME_NO_CACHE": 1,
        "NO_FAKE_STAT": 1,  # nor the times of files
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,  # no clock that is set moves the monotonic one
    }
    return ["env", *(f"{name}={value}" for name, value in variables.items())], setting.write_text


@pytest.mark.parametrize(("before", "after"), [("+0", "+365d"), ("+0", "-365d"), ("-20000d", "+0"), ("+0", "+3600")])
def test_clock_change_loses_and_repeats_no_event(
    field: Field, clock: tuple[list[str], Callable[[str], None]], before: str, after: str
) -> None:
    by_that_clock, set_clock = clock
    name = f"clock{before}{after}".replace("+", "p")
    cards = [write_card(field.folder / f"{name}-{n}", 4, seed=crc32(f"{name}-{n}".encode())) for n in range(2)]
    set_clock(before)
    with Edge(field, name, QUICK, by_that_clock) as edge:
        for number, card in enumerate(cards):
            for file in sorted(card.iterdir())[:-2]:  # whole ones: one that is cut off may still be growing
                shutil.copy2(file, edge.card / f"{number}{file.name}")
            promised = samples_of(edge.card)
            eventually(lambda promised=promised: everything_arrived(field, name, edge, promised))
            set_clock(after)
    for event in field.base.rows(name, "event"):
        assert event["end_utc"] >= event["start_utc"]


def test_growing_file_is_analysed_once_and_whole(field: Field, tmp_path: Path) -> None:
    whole = (write_card(tmp_path / "card", 3, seed=77) / "BENCH_20260412_000000.wav").read_bytes()
    with Edge(field, "growing", QUICK) as edge:
        path = edge.card / "BENCH_20260412_000000.wav"
        for part in np.array_split(np.frombuffer(whole, np.uint8), 20):
            with path.open("ab") as file:
                file.write(part.tobytes())
            eventually(lambda: not edge.pending())
        eventually(lambda: everything_arrived(field, "growing", edge, samples_of(edge.card)))
    assert len({row["recording"] for row in field.base.rows("growing", "effort")}) == 1


def test_damaged_file_is_named_and_others_are_analysed(field: Field) -> None:
    with Edge(field, "many", QUICK) as edge:
        for number in range(250):
            noise = np.random.default_rng(number).normal(0, 0.01, 2_400).astype(np.float32)
            sf.write(edge.card / f"{number:04}.wav", noise, 24_000, subtype="PCM_16")
        promised = samples_of(edge.card)
        damaged = edge.card / "0100.wav"
        damaged.write_bytes(b"junk" + damaged.read_bytes()[4:])
        del promised["0100.wav"]
        for path in edge.card.iterdir():
            os.utime(path, (0, 0))
        eventually(lambda: everything_arrived(field, "many", edge, promised))
    (notice,) = field.base.rows("many", "notice")
    assert "0100.wav" in notice["detail"]


@pytest.fixture
def pull_out(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None], Callable[[], None]]]:
    """A card in a reader, from which it can be pulled, and into which it can be put: an ext4 image on a loop device.

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

    def put_in() -> None:
        shutil.copy(spare, image)
        subprocess.run(["mount", "-o", "loop,ro", image, mount], check=True)

    def pull() -> None:
        os.truncate(image, 0)
        subprocess.run(["umount", "-l", mount], check=True)

    try:
        put_in()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine mounts no image: {error}")
    yield mount, pull, put_in
    with suppress(subprocess.CalledProcessError):
        subprocess.run(["umount", "-l", mount], check=True, stderr=subprocess.DEVNULL)


def test_removed_card_is_finished_after_its_return(
    field: Field, tmp_path: Path, pull_out: tuple[Path, Callable[[], None], Callable[[], None]]
) -> None:
    mount, pull, put_in = pull_out
    with Edge(field, "pulled", QUICK, card=mount) as edge:
        for times in range(1, 4):
            eventually(lambda times=times: len(field.base.rows("pulled", "effort")) >= 5 * times)
            pull()
            assert edge.process.poll() is None
            put_in()
        promised = samples_of(tmp_path / "card")
        eventually(lambda: everything_arrived(field, "pulled", edge, promised))
    assert "Traceback" not in edge.said
