"""`licd qr` in a real terminal: a phone scans what is on the screen, and the code is typed at the same screen."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zxingcpp
from support.admin import Admin
from support.daemon import Daemon, running
from support.pictures import Pixels
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually

COLOURED = re.compile(r"\x1b\[([0-9;]*)m")
SCALE = 4


class Tmux:
    """A terminal of 100 columns and 50 rows, with a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")

    def run(self, *arguments: str) -> str:
        """One tmux command."""
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout

    def start(self, *command: str) -> None:
        """Runs a command in the terminal."""
        self.run("new-session", "-d", "-x", "100", "-y", "50", shlex.join(command) + "; echo ended: $?; sleep 60")

    def screen(self, *options: str) -> str:
        """What stands on it."""
        return self.run("capture-pane", "-p", *options)

    def type(self, *keys: str) -> None:
        """Presses keys."""
        self.run("send-keys", *keys)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """The terminal."""
    made = Tmux(tmp_path)
    yield made
    subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], capture_output=True, check=False)


def seen(screen: str) -> Pixels:
    """What a phone sees of the coloured half blocks."""
    lines = [line for line in screen.splitlines() if "▀" in line or "▄" in line or "█" in line]
    rows: list[bytes] = []
    for line in lines:
        ink, paper, upper, lower = 0, 255, b"", b""
        for number, part in enumerate(COLOURED.split(line)):
            if number % 2:
                ink, paper = (
                    (0, 255)
                    if part.startswith("38;5;16")
                    else (255, 0)
                    if part.startswith("38;5;231")
                    else (ink, paper)
                )
                continue
            for character in part:
                upper += bytes([ink if character in "▀█" else paper]) * SCALE
                lower += bytes([ink if character in "▄█" else paper]) * SCALE
        rows += [upper] * SCALE + [lower] * SCALE
    width = min(map(len, rows))
    return Pixels([row[:width] for row in rows])


def test_the_qr_on_the_screen_scans_and_the_code_is_typed_below_it(
    make_daemon: Callable[..., Daemon], vendor: TestVendor, tmux: Tmux, tmp_path: Path
) -> None:
    with running(make_daemon("--lease-ttl", "10m")) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        RawNode(daemon.stubs("node")).joined()
        admin.upload(vendor.lic())
        tmux.start(sys.executable, "-m", "licd_daemon", "qr", "--data-dir", str(daemon.data_dir))
        eventually(lambda: re.search(r"\b[45]:\d\d\b", tmux.screen()))
        first = zxingcpp.read_barcode(seen(tmux.screen("-e")))
        assert first is not None, tmux.screen()
        assert first.text == admin.registration().challenge.url
        tmux.type("r")

        def another() -> str:
            url = admin.registration().challenge.url
            return url if url not in ("", first.text) and _read(tmux) == url else ""

        url = eventually(another)
        tmux.type(vendor.code(url), "Enter")
        eventually(lambda: "ended: 0" in tmux.screen())
        assert "registered" in tmux.screen()
        assert admin.state == "REGISTERED"


def _read(tmux: Tmux) -> str:
    found = zxingcpp.read_barcode(seen(tmux.screen("-e")))
    return found.text if found else ""
