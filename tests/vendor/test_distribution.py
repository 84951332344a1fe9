"""What a vendor's machine gets: `licd-vendor` and `licd-kit`, and nothing of the daemon, the node client or gRPC."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = ("licd_daemon", "node_client", "licd", "grpc", "google.protobuf")
IMPORT_ALL = f"""
import importlib, pkgutil, sys
for name in {FOREIGN}:
    sys.modules[name] = None
import licd_vendor
for module in pkgutil.walk_packages(licd_vendor.__path__, "licd_vendor."):
    if ".migrations" not in module.name:
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("licd_vendor.")]))
"""


def wheel_of(folder: str, target: Path) -> zipfile.ZipFile:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target],
        cwd=ROOT / folder,
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(target.glob("*.whl")))


def named(requirement: str) -> str:
    """A requirement's distribution: `cryptography>=47` is of cryptography."""
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0]


@pytest.mark.parametrize(
    ("folder", "roots"), [("vendor", {"licd_vendor"}), ("daemon", {"licd_formats", "licd_kit"})], ids=["vendor", "kit"]
)
def test_a_wheel_holds_its_own_roots_and_requires_nothing_of_the_daemon(
    folder: str, roots: set[str], tmp_path: Path
) -> None:
    with wheel_of(folder, tmp_path) as wheel:
        files = wheel.namelist()
        metadata = next(name for name in files if name.endswith(".dist-info/METADATA"))
        said = Parser().parsestr(wheel.read(metadata).decode())
    required = {named(each) for each in said.get_all("Requires-Dist", [])}
    assert {name.split("/")[0] for name in files if ".dist-info" not in name} == roots
    assert {f"{root}/py.typed" for root in roots} <= set(files)
    assert not required & {"licd", "grpcio", "protobuf", "grpcio-status", "grpcio-health-checking"}
    assert "cryptography" in required
    assert said["License-Expression"] == "Apache-2.0"


def test_the_vendors_side_runs_where_there_is_no_daemon_no_node_client_and_no_grpc() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 30


def test_all_distributions_are_of_one_version_and_pin_the_kits() -> None:
    projects = [
        tomllib.loads((ROOT / at / "pyproject.toml").read_text())["project"] for at in (".", "daemon", "vendor")
    ]
    versions = {project["version"] for project in projects}
    assert len(versions) == 1
    pin = f"licd-kit[web]=={versions.pop()}"
    daemon, _, vendor = projects
    assert [each for each in daemon["optional-dependencies"]["daemon"] if each.startswith("licd-kit")] == [pin]
    assert [each for each in vendor["dependencies"] if each.startswith("licd-kit")] == [pin]
