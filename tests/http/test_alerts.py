"""Alert rules and dashboard: each fires on what it should, and asks only for what the daemon tells."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon
from support.raw_node import RawNode
from support.vendor import TestVendor

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "licd-alerts.yml"
DASHBOARD = DEPLOY / "grafana" / "licd.json"
METRIC = re.compile(r"\b(?:licd|process)_[a-z_]+")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    beside = Path(sys.executable).parent / "promtool"
    program = str(beside) if beside.exists() else shutil.which("promtool")
    assert program, "promtool is missing: `make test` fetches it (deploy/test-tools)"
    return subprocess.run(
        [program, *arguments], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", [("check", "rules", "licd-alerts.yml"), ("test", "rules", "licd-alerts-test.yml")])
def test_the_rules_are_sound_and_fire_on_what_they_should(command: tuple[str, ...]) -> None:
    done = promtool(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def told(daemon: Daemon, admin: Admin, vendor: TestVendor) -> set[str]:
    """The metrics of a registered cluster of one node, by name."""
    node = RawNode(daemon.stubs("node")).joined()
    assert node.stream is not None
    for _ in range(3):
        node.stream.beat()
    admin.upload(vendor.lic())
    admin.register()
    page = Console(daemon.ops).get("/metrics").content.decode()
    return {line.partition("{")[0].partition(" ")[0] for line in page.splitlines() if not line.startswith("#")}


def test_rules_and_dashboard_ask_only_for_what_is_told(told: set[str]) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queries += re.findall(r"expr: (.+)", RULES.read_text())
    asked = {name for query in queries for name in METRIC.findall(query)}
    assert len(asked) > 15
    assert asked <= told


def test_the_guide_names_every_metric_and_no_other(told: set[str]) -> None:
    guide = (DEPLOY.parent / "docs" / "monitoring.md").read_text()
    named = set(re.findall(r"^\| `(licd_\w+)` \|", guide, re.MULTILINE))
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told if name.startswith("licd_")}
    assert named == families
