"""The parts of a cluster on one machine: vendor, portal, daemon and nodes, each a process, each by its own command.

Nothing is reached into: whatever is done here, a user could do with the same command in a shell.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from licd_daemon.cli.serve.config import console_link_file

COMPANY = "Example Reports Ltd"
MAIL = "it@example-reports.example"
APPLICATION = "Report Server"
VERSION = "10.0"
NODE_APPLICATION = f"name={APPLICATION},version={VERSION}.19,build_date=2024-05-31"
WAIT_S = 30.0
STOP_S = 10.0
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


class PartFailed(Exception):
    """A part did not do what it should; the text says which, and what it printed."""


def eventually(what: str, condition: Callable[[], T], timeout: float = WAIT_S) -> T:
    """Ask until the answer is true, and give it.

    Raises:
        PartFailed: it was not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise PartFailed(f"waited {timeout:g} s for this, in vain: {what} (last answer: {answer!r})")
        time.sleep(0.05)


def program(name: str) -> str:
    """The path of a command that was installed next to this Python, or is on the PATH.

    Raises:
        PartFailed: it is not installed.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise PartFailed(f"the command {name} is not installed: install the distribution that has it next to licd")
    return found


class Parts:
    """The processes of one machine, and the folder that they keep everything in."""

    def __init__(self, folder: Path, portal: str, portal_url: str, listen: str) -> None:
        """`portal`, `listen`: host:port of the portal and of the daemon; port 0: free ones, for its web too."""
        self.folder = folder
        self.portal = portal
        self.portal_url = portal_url
        self.listen = listen
        self.data_dir = folder / "data"
        self.vendor_home = folder / "vendor"
        self.license = folder / "Container.lic"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def ca(self) -> Path:
        """The CA that the daemon made."""
        return self.data_dir / "tls" / "ca.crt"

    def token_file(self, role: str) -> Path:
        """The token that the daemon made for a role."""
        return self.data_dir / "tokens" / f"{role}.token"

    @property
    def address(self) -> str:
        """Where the daemon is reached."""
        return (self.data_dir / "address").read_text().strip()

    @property
    def console_link(self) -> str:
        """The console's address that logs in once."""
        return console_link_file(self.data_dir).read_text().strip()

    def run(self, *command: str | Path, accept: Iterable[int] = (0,)) -> str:
        """Run a command to its end and give its output.

        Raises:
            PartFailed: it ended with another code than those in `accept`.
        """
        argv = [program(str(command[0])), *map(str, command[1:])]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode not in accept:
            raise PartFailed(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def vendor(self, *arguments: str | Path) -> str:
        """`licd-vendor` with this folder's home."""
        return self.run("licd-vendor", "--home", self.vendor_home, *arguments)

    def licd(self, *arguments: str | Path, accept: Iterable[int] = (0,)) -> str:
        """`licd` as the administrator of this folder's daemon."""
        return self.run("licd", *arguments, "--data-dir", self.data_dir, accept=accept)

    def licd_json(self, *arguments: str) -> Any:
        """The same, with what it prints as JSON."""
        return json.loads(self.licd(*arguments, "--output", "json"))

    def spawn(self, name: str, argv: list[str], env: Mapping[str, str] | None = None) -> None:
        """Start a process that logs to `NAME.log` in the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                # A terminal sends Ctrl-C to its whole group: the daemon would stop before the nodes have left it.
                process_group=0,
            )

    def end(self, name: str, number: int = signal.SIGTERM) -> None:
        """End a process and wait for its end."""
        process = self.processes.pop(name)
        process.send_signal(number)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end_all(self) -> None:
        """End everything: nodes first, so that they leave; the portal last."""
        for name in reversed(list(self.processes)):
            self.end(name)

    def alive(self, name: str) -> None:
        """Do nothing while a process runs.

        Raises:
            PartFailed: it has ended, with what it printed last.
        """
        process = self.processes[name]
        if process.poll() is not None:
            output = self.output(name).strip().splitlines()
            raise PartFailed(f"{name} ended with {process.returncode}: " + "\n".join(output[-5:]))

    def output(self, name: str) -> str:
        """Everything that a process has logged."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def make_vendor(self) -> None:
        """Keys and a contract for 3 nodes, once a folder."""
        if self.vendor_home.exists():
            return
        self.vendor(
            "keygen", "--no-passphrase", "--vendor-name", "Example Vendor", "--vendor-email", "licenses@vendor.example"
        )
        self.vendor(
            "contract", "add", "--company", COMPANY, "--email", MAIL, "--project", "Sales reports", "--max-nodes", "3",
            "--application-name", APPLICATION, "--application-version", VERSION,
        )  # fmt: skip

    def issue(self, *options: str) -> None:
        """Answer the customer's mail with Container.lic for 3 nodes and a year."""
        self.vendor(
            "issue", "--contract", "1", "--from", MAIL, "--company", COMPANY, "--nodes", "3", "--days", "365",
            "--portal-url", self.portal_url, "--out", self.license, "--mail", self.folder / "answer.eml", *options,
        )  # fmt: skip

    def start_portal(self) -> None:
        """The portal that phones reach."""
        argv = [program("licd-vendor"), "--home", str(self.vendor_home), "portal", "serve", "--listen", self.portal]
        self.spawn("portal", argv)
        eventually("the portal answers", lambda: self._answers("portal", f"http://{self._portal_here()}/healthz"))

    def _portal_here(self) -> str:
        return self.portal.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 (listens everywhere, is asked here)

    def _answers(self, name: str, url: str) -> bool:
        self.alive(name)
        try:
            with urlopen(url, timeout=5) as answer:  # noqa: S310 (an http address of this machine)
                return bool(answer.status == 200)
        except OSError:
            return False

    def start_daemon(self, *options: str) -> None:
        """The leader daemon; returns when it serves."""
        (self.data_dir / "address").unlink(missing_ok=True)
        argv = [program("licd"), "serve", "--data-dir", str(self.data_dir), "--listen", self.listen]
        if self.listen.endswith(":0"):
            argv += ["--console-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]
        self.spawn("daemon", [*argv, "--vendor-keys", str(self.vendor_home / "vendor-keys.json"), *options])
        eventually("the daemon serves", self._daemon_serves)

    def _daemon_serves(self) -> bool:
        self.alive("daemon")
        return (self.data_dir / "address").exists()

    def start_node(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> None:
        """A report server under `licd-node run` with `options`."""
        argv = [
            program("licd-node"), "run", "--application", NODE_APPLICATION, "--node-name", name, "--address",
            self.address, "--ca", str(self.ca), "--token-file", str(self.token_file("node")), *options, "--", *command,
        ]  # fmt: skip
        self.spawn(name, argv, env)

    def nodes(self) -> dict[str, str]:
        """The connected nodes, by name, with their states."""
        return {node["name"]: short(node["state"]) for node in self.licd_json("nodes")["nodes"]}

    def state(self) -> str:
        """The registration's state."""
        return short(self.licd_json("status")["state"])


def short(value: str) -> str:
    """`NODE_STATE_LICENSED` -> `LICENSED`."""
    return value.rpartition("STATE_")[2]


def open_on_phone(url: str) -> str:
    """Do what a phone's browser does with the QR: open the page, press its button, and read the six digits.

    Raises:
        PartFailed: the portal shows no code; with what it shows.
    """
    try:
        with urlopen(url, timeout=10) as page:  # noqa: S310 (the http address that the QR shows)
            page.read()
        with urlopen(Request(url, data=b"", method="POST"), timeout=10) as page:  # noqa: S310 (as above)
            shown = page.read().decode()
    except HTTPError as error:
        shown = error.read().decode(errors="replace")
    code = re.search(r'<output class="code"[^>]*>([0-9]{6})</output>', shown)
    if code is None:
        raise PartFailed("the portal shows no code: " + re.sub(r"<[^>]+>|\s+", " ", shown).strip()[:400])
    return code[1]


def clock_ahead(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is ahead; its boottime is true."""
    try:
        import libfaketime
    except ImportError:
        raise PartFailed("a drifting clock needs libfaketime: pip install 'licd[demo]'") from None
    library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": f"+{seconds}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
