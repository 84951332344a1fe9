"""`licd demo`: the whole story, played automatically with real parts, each step checked.

Issue, upload, scan (by decoding the QR's picture), code, three nodes, a fourth that waits for a seat, a clock that
drifts, kill -9 of the daemon, an outage of it, kill -9 of all nodes, all nodes gone: reset. It exits 0 only if each
step did what it should.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from licd_daemon.cli.demo.parts import ENDING_SIGNALS, PartFailed, Parts, clock_ahead, eventually, open_on_phone

LEASE_S = 6
QUICK = ("--lease-ttl", f"{LEASE_S}s", "--heartbeat-interval", "2s")
LOSS_GRACE = ("--loss-grace", "1")
"""As short as the leases: without the license's grace an outage would end the programs a second after their lease."""
SLEEP = [sys.executable, "-c", "import signal; signal.pause()"]
NEW = ("report-6", "report-7", "report-8")
PORTAL = "127.0.0.1:8601"


class Story:
    """The steps, in order; each returns what it shows."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.url = ""

    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """The titles and the steps."""
        return [
            ("The vendor makes keys, a contract, and issues Container.lic for 3 nodes", self.issue),
            ("The portal and the leader daemon start", self.start),
            ("Three report servers connect", self.connect),
            ("The administrator uploads Container.lic", self.upload),
            ("The QR code is shown and scanned", self.scan),
            ("The portal shows six digits; a wrong code is refused, the right one registers the cluster", self.code),
            ("A fourth report server waits, and gets the first seat freed", self.fourth),
            ("A node whose clock drifts is rejected, with by how much", self.drift),
            ("kill -9 of the daemon: same registration, same seats, no human", self.restart),
            ("The daemon is away for longer than a lease: no program ends, and no code is asked for", self.outage),
            ("kill -9 of all nodes, new ones within the lease: none is licensed, a code registers again", self.killed),
            ("All nodes gone: the registration has ended, the license stays", self.reset),
        ]

    def issue(self) -> str:
        """A signed file, from a contract."""
        self.parts.make_vendor()
        self.parts.issue()
        return f"{self.parts.license.name}, {self.parts.license.stat().st_size} bytes"

    def start(self) -> str:
        """Both sides are up; nothing is licensed."""
        self.parts.start_portal()
        self.parts.start_daemon(*QUICK)
        _expect("the state", self.parts.state(), "UNLICENSED")
        return f"portal {self.parts.portal_url}, daemon {self.parts.address}"

    def connect(self) -> str:
        """Nodes that nobody has licensed yet are PENDING."""
        for number in (1, 2, 3):
            self.parts.start_node(f"report-{number}", SLEEP, options=LOSS_GRACE)
        return self._nodes(dict.fromkeys(("report-1", "report-2", "report-3"), "PENDING"))

    def upload(self) -> str:
        """The license is in force."""
        self.parts.licd("upload", str(self.parts.license))
        status = self.parts.licd_json("status")
        _expect("the state", self.parts.state(), "UNREGISTERED")
        return f"{status['license']['company']}, at most {status['license']['max_nodes']} nodes"

    def scan(self) -> str:
        """The picture reads back as the portal's address."""
        picture = self.parts.folder / "qr.png"
        self.parts.licd("qr", "--png", str(picture))
        self.url = _decode(picture)
        _expect("the QR's address", self.url.rpartition("/")[0], f"{self.parts.portal_url}/Q")
        return f"{len(self.url)} characters, to {self.parts.portal_url}"

    def code(self) -> str:
        """Two steps of one flow: the guard against guesses, and the registration."""
        code = open_on_phone(self.url)
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        self.parts.licd("submit", wrong, accept=(1,))
        _expect("wrong codes", self.parts.licd_json("status")["lockout"]["wrong_codes"], 1)
        self.parts.licd("submit", code)
        _expect("the state", self.parts.state(), "REGISTERED")
        return self._nodes(dict.fromkeys(("report-1", "report-2", "report-3"), "LICENSED"))

    def fourth(self) -> str:
        """First WAITING, then LICENSED."""
        self.parts.start_node("report-4", SLEEP, options=LOSS_GRACE)
        self._nodes({"report-4": "WAITING"})
        self.parts.end("report-1")
        return self._nodes({"report-2": "LICENSED", "report-3": "LICENSED", "report-4": "LICENSED"})

    def drift(self) -> str:
        """The node's clock is 12 s ahead, its reasons say so."""
        self.parts.start_node("report-5", SLEEP, clock_ahead(12))
        self._nodes({"report-5": "REJECTED"})
        (node,) = [node for node in self.parts.licd_json("nodes")["nodes"] if node["name"] == "report-5"]
        (failure,) = node["failures"]
        _expect("the reason", failure["reason"], "FAILURE_REASON_CLOCK_DRIFT")
        self.parts.end("report-5")
        return str(failure["detail"])

    def restart(self) -> str:
        """Every node that held a seat holds it again."""
        before = self.parts.licd_json("status")["registered_at"]
        self.parts.end("daemon", signal.SIGKILL)
        self.parts.listen = self.parts.address
        self.parts.start_daemon(*QUICK)
        eventually("the registration is back", lambda: self.parts.state() == "REGISTERED")
        _expect("registered at", self.parts.licd_json("status")["registered_at"], before)
        return self._nodes({"report-2": "LICENSED", "report-3": "LICENSED", "report-4": "LICENSED"})

    def outage(self) -> str:
        """The programs go on in the license's grace, and are the same ones afterwards."""
        names, before = ("report-2", "report-3", "report-4"), self.parts.licd_json("status")["registered_at"]
        began = time.monotonic()
        self.parts.end("daemon", signal.SIGKILL)
        eventually("the nodes are in GRACE", lambda: all("GRACE, " in self.parts.output(name) for name in names))
        eventually("two leases have ended", lambda: time.monotonic() > began + 2 * LEASE_S)
        self.parts.start_daemon(*QUICK)
        away = time.monotonic() - began
        self._nodes(dict.fromkeys(names, "LICENSED"))
        _expect("registered at", self.parts.licd_json("status")["registered_at"], before)
        _expect("programs started", [self.parts.output(name).count("runs as process") for name in names], [1, 1, 1])
        return f"away for {away:.0f} s, {away / LEASE_S:.1f} leases of {LEASE_S} s; the license allows 15 minutes"

    def killed(self) -> str:
        """Processes that are new prove nothing: the cluster is certified again, with the license that is there."""
        for name in ("report-2", "report-3", "report-4"):
            self.parts.end(name, signal.SIGKILL)
            os.kill(int(re.findall(r"runs as process ([0-9]+)", self.parts.output(name))[-1]), signal.SIGKILL)
        for name in NEW:
            self.parts.start_node(name, SLEEP)
        eventually("the registration recovers", lambda: self.parts.state() == "RECOVERING")
        self._nodes(dict.fromkeys(NEW, "PENDING"))
        self.scan()
        self.parts.licd("submit", open_on_phone(self.url))
        _expect("the state", self.parts.state(), "REGISTERED")
        return self._nodes(dict.fromkeys(NEW, "LICENSED"))

    def reset(self) -> str:
        """The next registration needs a scan; no upload."""
        for name in NEW:
            self.parts.end(name)
        eventually("the registration has ended", lambda: self.parts.state() == "UNREGISTERED")
        return f"UNREGISTERED, license of {self.parts.licd_json('status')['license']['company']} in place"

    def _nodes(self, expected: dict[str, str]) -> str:
        def as_expected() -> bool:
            return expected.items() <= self.parts.nodes().items()

        eventually(f"nodes {expected}", as_expected)
        return ", ".join(f"{name} {state}" for name, state in sorted(expected.items()))


def _expect(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise PartFailed(f"{what}: expected {expected!r}, found {found!r}")


def _decode(picture: Path) -> str:
    try:
        import png
        import zxingcpp
    except ImportError as error:
        raise PartFailed(f"reading the QR needs {error.name}: pip install 'licd[demo]'") from None
    width, height, rows, info = png.Reader(bytes=picture.read_bytes()).read()
    scale = 255 // (2 ** info["bitdepth"] - 1)
    pixels = memoryview(bytes(value * scale for row in rows for value in row)).cast("B", (height, width))
    found = zxingcpp.read_barcode(pixels)
    if found is None:
        raise PartFailed("the QR's picture can't be read")
    return str(found.text)


def play(story: Story) -> int:
    """Plays a story and prints it; gives the exit code."""
    began = time.monotonic()
    try:
        for number, (title, step) in enumerate(story.steps(), 1):
            print(f"{number:2}. {title} ...", flush=True)
            print(f"    ok: {step()}", flush=True)
    except (PartFailed, OSError, json.JSONDecodeError) as error:
        print(f"    FAILED: {error}", flush=True)
        print(f"The logs are in {story.parts.folder}.")
        return 1
    finally:
        story.parts.end_all()
    print(f"All {len(story.steps())} steps did what they should, in {time.monotonic() - began:.0f} s.")
    return 0


def main() -> int:
    """Plays the story in a folder of its own, which is kept when it fails."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, signal.default_int_handler)
    try:
        temporary = tempfile.TemporaryDirectory(prefix="licd-demo-")
    except OSError as error:
        print(f"licd demo: no temporary folder ({error.strerror}): name one in TMPDIR", file=sys.stderr)
        return 1
    with temporary as folder:
        parts = Parts(Path(folder), PORTAL, f"http://{PORTAL}", "127.0.0.1:0")
        return play(Story(parts))
