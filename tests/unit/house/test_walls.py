"""The walls hold: each slip is planted in a copy of the sources, and the tools of `make check` must see it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ("daemon", "node_client", "vendor")
DAEMON = "daemon/licd_daemon"
COORDINATOR = "from licd_daemon.coordinator.coordinator import Coordinator"

FLOORS = "The daemon's floors"
PURE = "The core and the engine are pure"
NO_GRPC = "gRPC stops at rpc/"
OVER_GRPC = "Only `licd serve` puts the daemon together"
SLIPS = {
    "the core asks a clock": (f"{DAEMON}/core/decide.py", "from licd_kit.clock import wall_ms", PURE),
    "the core draws a UUID": (f"{DAEMON}/core/decide.py", "import uuid", PURE),
    "gRPC in the event log": (f"{DAEMON}/operations/event_log.py", "import grpc", NO_GRPC),
    "the journal knows the coordinator": (f"{DAEMON}/journal/codec.py", COORDINATOR, FLOORS),
    "a command knows the coordinator": (f"{DAEMON}/cli/status.py", COORDINATOR, OVER_GRPC),
    "the console knows a servicer": (
        f"{DAEMON}/console/live.py",
        "from licd_daemon.rpc.node import NodeService",
        FLOORS,
    ),
    "a servicer takes the time": (f"{DAEMON}/rpc/node.py", "import time", "Homes of gRPC take no clock"),
    "a module without a floor": (f"{DAEMON}/helpers.py", "", FLOORS),
    "a room of the vendor without a floor": ("vendor/licd_vendor/helpers.py", "", "The vendor's floors"),
    "a module of the node client without a floor": ("node_client/helpers.py", "", "The node client's floors"),
    "the node client knows the daemon": (
        "node_client/values.py",
        "from licd_daemon.core.model import Seat",
        "The node client links into anything",
    ),
    "the vendor knows the daemon": (
        "vendor/licd_vendor/views.py",
        "from licd_daemon.core.model import Seat",
        "The vendor's side takes formats and kit",
    ),
    "the kit knows what a license is": (
        "daemon/licd_kit/logs.py",
        "from licd_formats.license import License",
        "Daemon and vendor stand on formats and kit",
    ),
    "a module of the kit without a floor": ("daemon/licd_kit/helpers.py", "", "The kit's floors"),
}
BANNED = {
    "time": "import time\n",
    "now": "from datetime import UTC, datetime\nNOW = datetime.now(UTC)\n",
    "random": "from random import choice\n",
    "uuid": "import uuid\n",
    "grpc": "from grpc import aio\n",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def checked(house: Path, *command: str) -> str:
    """What a tool says of the copy."""
    path = os.pathsep.join(str(house / part) for part in ("daemon", "vendor", "."))
    program = Path(sys.executable).parent / command[0]
    ended = subprocess.run(
        [program, *command[1:]],
        cwd=house,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit {ended.returncode}\n{ended.stdout}{ended.stderr}"


def test_the_sources_as_they_are_keep_every_contract(house: Path) -> None:
    assert "0 broken" in checked(house, "lint-imports")
    assert checked(house, "ruff", "check", "--select", "TID251").startswith("exit 0")


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_breaks_the_contract_that_stands_against_it(house: Path, slip: str) -> None:
    name, line, contract = SLIPS[slip]
    file = house / name
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        said = checked(house, "lint-imports")
    finally:
        file.unlink() if before is None else file.write_text(before)
    broken = [line for line in said.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), said


@pytest.mark.parametrize("name", BANNED)
@pytest.mark.parametrize("folder", [f"{DAEMON}/operations", "node_client", "vendor/licd_vendor"])
def test_what_makes_a_decision_unrepeatable_is_banned_outside_its_home(house: Path, folder: str, name: str) -> None:
    file = house / folder / "slip.py"
    file.write_text(BANNED[name])
    try:
        said = checked(house, "ruff", "check", "--select", "TID251", folder)
    finally:
        file.unlink()
    assert "TID251" in said, said
    assert "slip.py" in said
