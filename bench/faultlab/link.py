"""A network link that can be thin, lossy or dead: a network namespace, joined to this one by a pair of interfaces."""

import os
import shutil
import subprocess
from pathlib import Path

# A name and a network of its own for each process, so that several can have a link.
_NETWORK = f"10.213.{os.getpid() % 256}"
HERE, THERE = f"{_NETWORK}.1", f"{_NETWORK}.2"
NAMESPACE, OUTER, INNER = f"anura-{os.getpid()}", f"here-{os.getpid()}", f"there-{os.getpid()}"


def _run(*command: str) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, env={"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        )
    except subprocess.CalledProcessError as error:
        raise OSError(f"{' '.join(command)}: {error.stderr.strip()}") from error


class Link:
    """A link to a place of its own, where `within` runs a command. A context manager.

    What is sent to HERE from there crosses it. Raises OSError where this machine has no such thing.
    """

    within = ("ip", "netns", "exec", NAMESPACE)

    def __enter__(self) -> "Link":
        missing = [
            tool for tool in ("ip", "tc", "nft") if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin")
        ]
        if missing or os.getuid():
            raise OSError(f"network namespaces need root, and {', '.join(missing) or 'nothing else'}")
        self._remove()
        try:
            _run("ip", "netns", "add", NAMESPACE)
            _run("ip", "link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
            _run("ip", "addr", "add", f"{HERE}/30", "dev", OUTER)
            _run("ip", "link", "set", OUTER, "up")
            self._there("ip", "addr", "add", f"{THERE}/30", "dev", INNER)
            self._there("ip", "link", "set", INNER, "up")
            self._there("ip", "link", "set", "lo", "up")  # a device talks to itself there
            self._there("nft", "add table inet faults")
            for hook in ("input", "output"):
                self._there("nft", f"add chain inet faults {hook} {{ type filter hook {hook} priority 0; }}")
        except OSError:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def lose(self, percent: int) -> None:
        """Drop this share of the packets in each direction, at random; 100 leaves a connection half open."""
        self.heal()
        for hook, side in (("input", "iifname"), ("output", "oifname")):
            rule = f"{side} {INNER} numgen random mod 100 <= {percent - 1} drop"
            self._there("nft", f"add rule inet faults {hook} {rule}")

    def heal(self) -> None:
        """Drop nothing any more."""
        self._there("nft", "flush table inet faults")

    def thin(self, kbit_s: int) -> None:
        """Let only so many kilobits through in a second, in each direction."""
        shape = ("root", "tbf", "rate", f"{kbit_s}kbit", "burst", "4kb", "latency", "2s")
        _run("tc", "qdisc", "replace", "dev", OUTER, *shape)
        self._there("tc", "qdisc", "replace", "dev", INNER, *shape)

    def bytes(self) -> int:
        """Count what crossed it so far in both directions, with all headers."""
        folder = Path("/sys/class/net") / OUTER / "statistics"
        return sum(int((folder / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def _there(self, *command: str) -> None:
        _run(*self.within, *command)

    def _remove(self) -> None:
        for command in (("ip", "link", "del", OUTER), ("ip", "netns", "del", NAMESPACE)):
            subprocess.run(command, capture_output=True)
