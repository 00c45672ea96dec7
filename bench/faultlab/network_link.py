"""A network link that can be slow, lossy or dead: a network namespace, connected by a pair of interfaces."""

import os
import shutil
import subprocess
from pathlib import Path

# Each process has its own name and network, so that several can run at a time.
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


class NetworkLink:
    """A link to a network namespace. `command_prefix` runs a command there. A context manager.

    Packets from there to HERE cross the link. Raises OSError if this machine has no network namespaces.
    """

    command_prefix = ("ip", "netns", "exec", NAMESPACE)

    def __enter__(self) -> "NetworkLink":
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
            self._there("ip", "link", "set", "lo", "up")  # the device uses the loopback interface
            self._there("nft", "add table inet faults")
            for hook in ("input", "output"):
                self._there("nft", f"add chain inet faults {hook} {{ type filter hook {hook} priority 0; }}")
        except OSError:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def drop_packets(self, percent: int) -> None:
        """Drop a share of the packets in each direction, at random. 100 leaves a connection half open."""
        self.restore()
        for hook, side in (("input", "iifname"), ("output", "oifname")):
            rule = f"{side} {INNER} numgen random mod 100 <= {percent - 1} drop"
            self._there("nft", f"add rule inet faults {hook} {rule}")

    def restore(self) -> None:
        """Drop no packets any more."""
        self._there("nft", "flush table inet faults")

    def limit_rate(self, kbit_s: int) -> None:
        """Limit the rate in each direction."""
        shape = ("root", "tbf", "rate", f"{kbit_s}kbit", "burst", "4kb", "latency", "2s")
        _run("tc", "qdisc", "replace", "dev", OUTER, *shape)
        self._there("tc", "qdisc", "replace", "dev", INNER, *shape)

    def crossed_bytes(self) -> int:
        """Count the bytes that crossed the link in both directions, headers included."""
        folder = Path("/sys/class/net") / OUTER / "statistics"
        return sum(int((folder / name).read_text()) for name in ("rx_bytes", "tx_bytes"))

    def _there(self, *command: str) -> None:
        _run(*self.command_prefix, *command)

    def _remove(self) -> None:
        for command in (("ip", "link", "del", OUTER), ("ip", "netns", "del", NAMESPACE)):
            subprocess.run(command, capture_output=True)
