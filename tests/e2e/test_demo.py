"""`licd demo` and `make run`, as a first user meets them."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from licd_daemon.cli.demo import story
from licd_daemon.cli.demo.parts import Parts, open_on_phone

ROOT = Path(__file__).parents[2]


def test_the_demo_plays_the_whole_story_and_exits_0(parts: Parts, capfd: pytest.CaptureFixture[str]):
    assert story.play(story.Story(parts)) == 0
    said = capfd.readouterr().out
    assert said.count("    ok: ") == 12
    assert re.search(r"ok: away for [0-9]+ s, [2-9]\.[0-9] leases of 6 s; the license allows 15 minutes", said)
    assert "Node report-5 is 12.0 s ahead of the leader (limit 5 s" in said


def test_the_demo_broken_on_purpose_exits_non_zero(parts: Parts, capfd: pytest.CaptureFixture[str]):
    class Wrong(story.Story):
        """Expects a seat where there is none yet."""

        def steps(self):
            return [*super().steps()[:2], ("A node is licensed without a license", self.impossible)]

        def impossible(self) -> str:
            story._expect("the state", self.parts.state(), "REGISTERED")
            return "never"

    assert story.play(Wrong(parts)) == 1
    assert "FAILED: the state: expected 'REGISTERED', found 'UNLICENSED'" in capfd.readouterr().out


@pytest.fixture
def run_cluster():
    """The module that `make run` runs."""
    spec = importlib.util.spec_from_file_location("run_cluster", ROOT / "examples/run_cluster.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.NODES = dict.fromkeys(module.NODES, 0)
    return module


def test_make_run_leads_to_a_registered_cluster_with_what_it_printed(run_cluster, parts: Parts):
    """Everything typed here was printed; it is typed into a second shell after `. .run/env`."""
    run_cluster.start(parts)
    printed = run_cluster.welcome(parts)
    assert parts.console_link in printed
    shell = f". {parts.folder / 'env'}\n"

    def type_in(command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", shell + command],
            capture_output=True,
            text=True,
            env={key: value for key, value in os.environ.items() if not key.startswith("LICD_")},
            check=True,
            timeout=60,
        )
        return done.stdout

    (upload,) = re.findall(r"^ +(licd upload .*)$", printed, re.MULTILINE)
    (url,) = re.findall(r"http://\S+/Q/\S+", type_in(upload))
    assert "The cluster is registered: 3 of 3 seats held." in type_in(f"licd submit {open_on_phone(url)}")
    assert "REGISTERED" in type_in("licd status")
    assert type_in("licd nodes").count("LICENSED") == 3
    (grpcurl,) = re.findall(r"^ +(LICD_TOKEN=.*\\\n.*)$", printed, re.MULTILINE)
    assert '"state": "REGISTRATION_STATE_REGISTERED"' in type_in(grpcurl)
    parts.end_all()
    run_cluster.start(parts)
    assert "licd qr" in run_cluster.welcome(parts), "the license is there, the next start needs a scan"


RUN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("run_cluster", sys.argv.pop(1))
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.NODES, module.DAEMON = dict.fromkeys(module.NODES, 0), "127.0.0.1:0"
module.PORTAL_PORT = int(sys.argv.pop(1))
sys.exit(module.main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_lets_the_report_servers_leave_before_the_daemon_stops(parts: Parts, number: signal.Signals):
    """A terminal sends it to the whole foreground process group, as here."""
    port = parts.portal_url.rpartition(":")[2]
    command = [sys.executable, "-c", RUN, str(ROOT / "examples/run_cluster.py"), port, "--folder", str(parts.folder)]
    make_run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert make_run.stdout is not None
    with make_run.stdout:
        assert "Ctrl-C stops everything.\n" in iter(make_run.stdout.readline, "")
        os.killpg(make_run.pid, number)
        assert "the next start needs a scan" in make_run.stdout.read()
    assert make_run.wait(60) == 0
    parts.start_daemon()
    assert parts.licd("events", "--kind", "session_ended").count("reason=LEFT") == 3


def test_make_run_again_with_another_portal_address_reissues_the_license(run_cluster, parts: Parts):
    run_cluster.issue_for_this_portal(parts)
    first = parts.license.read_bytes()
    run_cluster.issue_for_this_portal(parts)
    assert parts.license.read_bytes() == first
    parts.portal_url = "http://192.0.2.10:8600"
    run_cluster.issue_for_this_portal(parts)
    assert parts.license.read_bytes() != first


def test_the_daemon_starts_from_a_checkout_by_python_m(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "licd" in done.stdout
