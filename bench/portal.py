"""The vendor's portal with PostgreSQL, held to one core, beside a trivial handler on the same web server.

- The generator and PostgreSQL, which syncs as it does in production, have the other cores.
- A scan is a POST of a fresh challenge by a deployment that is bound: it opens HPKE, counts two limits, judges,
  records, and renders the page. Each comes from an address of its own, as a trusted proxy tells it.
- The trivial handler is starlette on the portal's own server, answering a POST with two bytes.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from support import postgresql
from vendor.deployment import Clock, Deployment

from bench.process import cpu_s
from bench.servers import Server
from licd_formats.license import License, Vendor
from licd_vendor import issuing, keys
from licd_vendor.domain.issue import Request
from licd_vendor.domain.model import Terms
from licd_vendor.store import records
from licd_vendor.store.database import Database, open_database

LICENSES = 400
CONNECTIONS = 8
DAY = 86_400
TERMS = Terms("Bench", "bench@vendor.example", "Bench", 100_000, "app", "1.0", "", "2021-10-30", 2)
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
TRIVIAL = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from licd_kit.addresses import Address
from licd_vendor.portal import server
app = Starlette(routes=[Route("/Q/{token}", lambda _: PlainTextResponse("ok"), methods=["POST"])])
listener = server.listen(Address("127.0.0.1", 0))
print(f"listens on {server.url_of(listener)}", flush=True)
server.make(app).run(sockets=[listener])
"""


class OnOneCore(Server):
    """A web server on the first core; `pid` is that of its parent process, whose children serve."""

    process: "subprocess.Popen[str] | None" = None

    def launch(self, *command: str, **environment: str) -> None:
        """Starts it, reads its port, and leaves the first core to it alone."""
        cores = sorted(os.sched_getaffinity(0))
        self._cores = set(cores)
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cores[0]), sys.executable, "-c", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        assert self.process.stdout is not None
        self.pid, self.port = self.process.pid, int(self.process.stdout.readline().rpartition(":")[2])
        os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            os.sched_setaffinity(0, self._cores)

    def cpu(self) -> float:
        """Seconds of processor time of the parent and of who serves."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(cpu_s(pid) for pid in (self.pid, *map(int, children)))

    def scans(self, number: int) -> tuple[list[str], list[str]]:
        """Paths to warm up with, and `number` to measure."""
        raise NotImplementedError


class Portal(OnOneCore):
    """`licd-vendor portal serve` with one worker."""

    kind = "licd"

    def start(self) -> None:
        """PostgreSQL, licenses, and the portal."""
        home, now = self.folder / "home", int(time.time())
        self._ending = contextlib.ExitStack()
        url = self._ending.enter_context(postgresql.running(**DURABLE)).url()
        keys.generate(home, Vendor("Bench", "bench@vendor.example"), None)
        database = open_database(url)
        self._deployments = [Deployment(one, Clock(now)) for one in _licenses(database, home, now)]
        database.close()
        program = "from licd_vendor.cli import main; main()"
        serve = ("portal", "serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1")
        self.launch(program, "--home", str(home), *serve, LICD_VENDOR_DATABASE=url)

    def stop(self) -> None:
        """Ends both."""
        super().stop()
        self._ending.close()

    def scans(self, number: int) -> tuple[list[str], list[str]]:
        """Each deployment's first scan binds it."""
        return [one.qr() for one in self._deployments], [self._deployments[at % LICENSES].qr() for at in range(number)]


class Trivial(OnOneCore):
    """A handler that answers at once."""

    kind = "starlette"

    def start(self) -> None:
        """See `OnOneCore.launch`."""
        self.launch(TRIVIAL)

    def scans(self, number: int) -> tuple[list[str], list[str]]:
        """Paths as long as a challenge's."""
        return [f"/Q/{'A' * 172}"] * LICENSES, [f"/Q/{'A' * 172}"] * number


def scanned(server: OnOneCore, number: int) -> tuple[float, float]:
    """Scans a second, and CPU in us for each."""
    warm, paths = server.scans(number)
    _post_all(server.port, warm)
    before = server.cpu()
    seconds = _post_all(server.port, paths)
    return number / seconds, (server.cpu() - before) / number * 1e6


def _licenses(database: Database, home: Path, now: int) -> Iterator[License]:
    with database.writing() as connection:
        contract_id = records.add_contract(connection, TERMS, now)
    order = issuing.Order(
        contract_id,
        Request(TERMS.sender_email, TERMS.company, 1, now + DAY),
        keys.load_vendor(home),
        "https://portal.example",
        keys.load_portal(home, lambda: None).public_key().public_bytes_raw(),
        None,
    )
    signing = keys.load_signing(home, lambda: None)
    for _ in range(LICENSES):
        yield issuing.issue_license(database, order, signing, "cli:bench", now, lambda _: None).license


def _post_all(port: int, paths: Sequence[str]) -> float:
    """Posts every path once over kept connections; gives the seconds that it took.

    Raises:
        RuntimeError: an answer was not 200.
    """
    failures: list[int] = []

    def work(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for at in range(first, len(paths), CONNECTIONS):
            address = f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
            connection.request("POST", paths[at], headers={"x-forwarded-for": address, "content-length": "0"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(paths)} answers were not 200, such as {failures[0]}")
    return seconds
