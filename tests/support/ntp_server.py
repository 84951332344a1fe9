"""A real NTP server on loopback: chronyd, which serves its own clock and never touches the machine's."""

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ntplib

from support.waiting import eventually


def _free_port() -> int:
    """A UDP port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        ntplib.NTPClient().request("127.0.0.1", port=port, version=4, timeout=0.3)
    except (ntplib.NTPException, OSError):
        return False
    return True


@contextmanager
def chronyd(folder: Path, env: dict[str, str] | None = None, *, synchronised: bool = True) -> Iterator[str]:
    """Runs a server and gives its host:port.

    Args:
        folder: For its configuration.
        env: What makes its clock wrong (see `support.skew`).
        synchronised: Whether it says that its clock is synchronised; else its leap indicator is 3.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    lines = [f"port {port}", "bindaddress 127.0.0.1", "allow 127.0.0.1", "cmdport 0", f"pidfile {folder}/pid"]
    lines += ["local stratum 8"] if synchronised else []
    config = folder / "chrony.conf"
    config.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["chronyd", "-x", "-U", "-u", getpass.getuser(), "-d", "-f", config],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin", **(env or {})},
        )
    try:
        eventually(lambda: _answers(port))
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
