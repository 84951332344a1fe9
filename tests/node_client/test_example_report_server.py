"""The example report server, alone and with four pre-forked workers on one seat."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from support.scripted_daemon import LICENSED, WAITING, ScriptedDaemon
from support.waiting import eventually

from licd.v1 import failure_pb2

ROOT = pathlib.Path(__file__).parents[2]
FULL = failure_pb2.Failure(
    reason=failure_pb2.FAILURE_REASON_MAX_AUTHORIZATIONS_REACHED,
    title="The maximum number of authorizations has been reached",
    remedy="Ask <vendor> for more nodes.",
)
SIMPLE = "name=Report Server,version=10.0.19,build_date=2024-05-31"


@contextmanager
def serving(daemon: ScriptedDaemon, *command: str) -> Iterator[subprocess.Popen[str]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LICD_")}
    settings = {"LICD_ADDRESS": daemon.address, "LICD_INSECURE": "1", "LICD_APPLICATION": SIMPLE}
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**clean, **settings},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:[1-9][0-9]*", line):
            return found[0]
    message = "the server ended without a word"
    raise AssertionError(message)


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_alone_it_shows_its_license_and_refuses_reports_without_one(daemon: ScriptedDaemon) -> None:
    daemon.state, daemon.failures = WAITING, (FULL,)
    with serving(daemon, "examples/report_server.py", "--port", "0") as process:
        url = address(process)
        eventually(lambda: "WAITING" in get(url)[1])
        code, page = get(f"{url}/report")
        assert code == 503
        assert FULL.title in page
        assert "Ask &lt;vendor&gt; for more nodes." in page
        daemon.tell(LICENSED)
        eventually(lambda: get(f"{url}/report")[0] == 200)
        assert "s left" in get(url)[1]
        assert get(f"{url}/nothing")[0] == 404
    assert process.returncode == 0
    assert len(daemon.leaves) == 1


def test_R41_an_outage_of_the_daemon_costs_no_report(daemon: ScriptedDaemon) -> None:
    daemon.outage_grace, daemon.lease_ttl, daemon.heartbeat_interval = 900, 1.0, 0.3
    with serving(daemon, "examples/report_server.py", "--port", "0") as process:
        url = address(process)
        eventually(lambda: get(f"{url}/report")[0] == 200)
        daemon.stop()
        eventually(lambda: "GRACE" in get(url)[1])
        assert get(f"{url}/report")[0] == 200
        daemon.state, daemon.failures = WAITING, (FULL,)
        daemon.start()
        eventually(lambda: get(f"{url}/report")[0] == 503)


def test_four_workers_of_a_pre_forking_server_share_one_seat(daemon: ScriptedDaemon) -> None:
    gunicorn = ("-m", "gunicorn", "-w", "4", "-b", "127.0.0.1:0", "examples.report_server:app")
    with serving(daemon, "-m", "node_client.run", "run", "--", sys.executable, *gunicorn) as process:
        url, workers = address(process), set()

        def all_answered() -> bool:
            code, page = get(f"{url}/report")
            assert code == 200 or "licd-node does not answer" in page, page
            workers.update(re.findall("process ([0-9]+)", page))
            return len(workers) == 4

        eventually(all_answered, timeout=20)
        daemon.tell(WAITING, FULL)
        eventually(lambda: daemon.heartbeats[-1].state_serial == daemon.serial)
        # From the moment the loss was acknowledged, no worker believes (R13).
        assert {get(f"{url}/report")[0] for _ in range(12)} == {503}
    assert process.returncode in (0, 128 + signal.SIGTERM)
    assert len(daemon.joins) == 1
    assert len(daemon.leaves) == 1
