"""How many scans the portal answers on one core, with PostgreSQL, against a trivial handler in the same run.

    python bench/portal.py [--scans 3000] [--connections 8]

One worker of the portal is held to one core; the load and PostgreSQL, which syncs as it does in production, have the
others. A scan is a POST of a fresh challenge by a deployment that is bound: it opens HPKE, counts two limits, judges,
records, and renders the page. Each comes from an address of its own, as a trusted proxy tells it. The trivial handler
is starlette on the same server, answering a POST with two bytes. What it does per CPU second does not depend on what
else the machine does.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from support import postgresql  # noqa: E402 (the tests' own PostgreSQL)
from vendor.deployment import Clock, Deployment  # noqa: E402

from licd_daemon.formats.license import License, Vendor  # noqa: E402
from licd_vendor import issuing, keys  # noqa: E402
from licd_vendor.domain.issue import Request  # noqa: E402
from licd_vendor.domain.model import Terms  # noqa: E402
from licd_vendor.store import records  # noqa: E402
from licd_vendor.store.database import Database, open_database  # noqa: E402

LICENSES = 400
DAY = 86_400
TERMS = Terms("Bench", "bench@vendor.example", "Bench", 100_000, "app", "1.0", "", "2021-10-30", 2)
TRIVIAL = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from licd_vendor.portal import server
app = Starlette(routes=[Route("/Q/{token}", lambda _: PlainTextResponse("ok"), methods=["POST"])])
listener = server.listen("127.0.0.1", 0)
print(f"listens on {server.url_of(listener)}", flush=True)
server.make(app).run(sockets=[listener])
"""


def make_licenses(database: Database, home: Path, now: int) -> list[License]:
    """Licenses of one contract."""
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
    return [
        issuing.issue_license(database, order, signing, "cli:bench", now, lambda _: None).license
        for _ in range(LICENSES)
    ]


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, int]]:
    """A server on one core: the port, and the process that was started."""
    with subprocess.Popen(
        ["taskset", "-c", "0", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        try:
            yield port, process.pid
        finally:
            process.terminate()


def worker_of(pid: int) -> int:
    """The process that serves: the first child, or itself."""
    return int((Path(f"/proc/{pid}/task/{pid}/children").read_text().split() or [str(pid)])[0])


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def post_all(port: int, paths: list[str], connections: int) -> float:
    """Posts every path once over kept connections; gives the seconds that it took."""
    failures: list[int] = []

    def work(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for at in range(first, len(paths), connections):
            address = f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
            connection.request("POST", paths[at], headers={"x-forwarded-for": address, "content-length": "0"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                failures.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"{len(failures)} answers were not 200, such as {failures[0]}"
    return time.monotonic() - began


def measure(name: str, command: list[str], bind: list[str], paths: list[str], connections: int) -> float:
    """Warms up with `bind`, measures `paths`, prints, and gives the answers per CPU second."""
    with serving(command) as (port, server):
        post_all(port, bind, connections)
        worker = worker_of(server)
        before = cpu_seconds(worker)
        seconds = post_all(port, paths, connections)
        used = cpu_seconds(worker) - before
    print(f"{name:<16} {len(paths) / seconds:8.0f} per second {len(paths) / used:8.0f} per CPU second")
    return len(paths) / used


def main() -> None:
    """Measures both, and prints the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scans", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    durable = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB"}
    with postgresql.running(**durable) as cluster, tempfile.TemporaryDirectory() as folder:
        home, url, now = Path(folder), cluster.url(), int(time.time())
        keys.generate(home, Vendor("Bench", "bench@vendor.example"), None)
        database = open_database(url)
        deployments = [Deployment(one, Clock(now)) for one in make_licenses(database, home, now)]
        bind = [one.qr() for one in deployments]
        paths = [deployments[at % LICENSES].qr() for at in range(options.scans)]
        database.close()
        os.environ["LICD_VENDOR_DATABASE"] = url
        vendor = [sys.executable, "-c", "from licd_vendor.cli import main; main()", "--home", folder]
        serve = [*vendor, "portal", "serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"]
        portal = measure("portal", serve, bind, paths, options.connections)
        trivial = measure("trivial handler", [sys.executable, "-c", TRIVIAL], bind, paths, options.connections)
    print(f"{'ratio':<16} {portal / trivial:8.3f} of a trivial handler")


if __name__ == "__main__":
    main()
